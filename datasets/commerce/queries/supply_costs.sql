-- How many supplies are perishable, how many are not, and what do they cost?
SELECT is_perishable_supply AS perishable, count(*) AS supplies, sum(supply_cost) AS cost
FROM commerce.supplies GROUP BY is_perishable_supply ORDER BY is_perishable_supply DESC
