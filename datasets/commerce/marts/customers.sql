SELECT c.customer_id, c.customer_name, coalesce(o.count_lifetime_orders, 0) AS count_lifetime_orders,
       o.first_ordered_at, o.last_ordered_at, coalesce(o.lifetime_spend_pretax, 0.00) AS lifetime_spend_pretax,
       coalesce(o.lifetime_tax_paid, 0.00) AS lifetime_tax_paid, coalesce(o.lifetime_spend, 0.00) AS lifetime_spend,
       CASE WHEN o.count_lifetime_orders > 1 THEN 'returning' ELSE 'new' END AS customer_type
FROM commerce_prep.stg_customers c LEFT JOIN commerce_prep.int_orders_by_customer o USING (customer_id)
