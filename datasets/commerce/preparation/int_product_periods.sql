-- A product's price and supply cost, from when until when. The first known ones also count for the time before.
-- A state that another file of the same day replaced was never in force.
WITH prices AS (
  SELECT product_key, product_price, valid_to,
         CASE WHEN valid_from > min(valid_from) OVER (PARTITION BY product_key) THEN valid_from ELSE '-infinity' END AS valid_from
  FROM (SELECT product_key, product_price, valid_from, 'infinity'::timestamptz AS valid_to FROM commerce_dw.dim_product
        UNION ALL SELECT product_key, product_price, valid_from, valid_to FROM commerce_dw.hist_product WHERE valid_from < valid_to) s
), costs AS (
  SELECT product_key, supply_cost, is_perishable_supply, valid_to,
         CASE WHEN valid_from > min(valid_from) OVER (PARTITION BY product_key) THEN valid_from ELSE '-infinity' END AS valid_from
  FROM (SELECT product_key, supply_cost, is_perishable_supply, valid_from, 'infinity'::timestamptz AS valid_to
        FROM commerce_dw.dim_supply
        UNION ALL SELECT product_key, supply_cost, is_perishable_supply, valid_from, valid_to
        FROM commerce_dw.hist_supply WHERE valid_from < valid_to) s
), periods AS (
  SELECT product_key, valid_from, lead(valid_from, 1, 'infinity') OVER (PARTITION BY product_key ORDER BY valid_from) AS valid_to
  FROM (SELECT product_key, valid_from FROM prices UNION SELECT product_key, valid_from FROM costs) s
), priced AS MATERIALIZED (  -- once, not once per item
  SELECT p.product_key, p.valid_from, p.valid_to, s.product_price, coalesce(sum(c.supply_cost), 0.00) AS supply_cost,
         coalesce(sum(c.supply_cost) FILTER (WHERE c.is_perishable_supply), 0.00) AS perishable_cost
  FROM periods p
  JOIN prices s ON s.product_key = p.product_key AND s.valid_from <= p.valid_from AND p.valid_from < s.valid_to
  LEFT JOIN costs c ON c.product_key = p.product_key AND c.valid_from <= p.valid_from AND p.valid_from < c.valid_to
  GROUP BY p.product_key, p.valid_from, p.valid_to, s.product_price
)
SELECT d.product_id, p.valid_from, p.valid_to, p.product_price, p.supply_cost, p.perishable_cost
FROM priced p JOIN commerce_dw.dim_product d USING (product_key)
