-- How many orders were there each day, and of what amount?
SELECT ordered_date, count(*) AS orders, sum(order_total) AS order_total
FROM commerce.orders
WHERE ordered_date >= coalesce(nullif(current_setting('fonderie.since'), '')::date, '-infinity')
  AND ordered_date <= coalesce(nullif(current_setting('fonderie.until'), '')::date, 'infinity')
GROUP BY ordered_date ORDER BY ordered_date
