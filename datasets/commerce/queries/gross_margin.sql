-- What is left of the items' prices after the cost of their supplies?
WITH sums AS (
  SELECT count(*) AS items, coalesce(sum(product_price), 0.00) AS revenue, coalesce(sum(supply_cost), 0.00) AS supply_cost,
         coalesce(sum(perishable_cost), 0.00) AS perishable_cost
  FROM commerce.order_items
)
SELECT items, revenue, supply_cost, perishable_cost, revenue - supply_cost AS gross_margin,
       round(100 * (revenue - supply_cost) / nullif(revenue, 0), 4) AS margin_percent
FROM sums
