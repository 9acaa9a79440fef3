SELECT l.location_id, l.location_name, l.opened_date, l.tax_rate, count(o.order_id) AS count_orders,
       coalesce(sum(o.subtotal), 0.00) AS subtotal, coalesce(sum(o.tax_paid), 0.00) AS tax_paid, coalesce(sum(o.order_total), 0.00) AS order_total
FROM commerce_prep.stg_locations l LEFT JOIN commerce.orders o USING (location_id)
GROUP BY l.location_id, l.location_name, l.opened_date, l.tax_rate
