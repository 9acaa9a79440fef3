-- The time is shown as the files have it: local, without a zone.
SELECT o.order_id, c.customer_id, l.location_id, o.ordered_at AT TIME ZONE 'America/New_York' AS ordered_at, o.ordered_date,
       o.subtotal, o.tax_paid, o.order_total
FROM commerce_dw.fact_order o JOIN commerce_dw.dim_customer c USING (customer_key) JOIN commerce_dw.dim_location l USING (location_key)
