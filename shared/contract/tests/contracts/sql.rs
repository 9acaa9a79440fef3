//! The SQL of the shop, as a person reads it. `UPDATE_EXPECT=1 cargo test` writes it anew.

use expect_test::expect;
use fonderie_contract::Bundle;
use fonderie_tables::{Dataset, bases, functions, load, views};

/// The tables of the shop that the engine's tests have.
fn shop() -> Dataset {
    Bundle::from_files(fonderie_test_support::shop_files()).compile().unwrap().layout.tables
}

/// The statements for a version of one of its records.
fn load_of(record: &str) -> String {
    let dataset = shop();
    load(&dataset, dataset.records.iter().find(|known| known.name == record).unwrap())
}

#[test]
fn a_dimension_of_complete_files_is_made() {
    let dataset = shop();
    let of = |name: &str| name.starts_with("dim_product");
    let mut sql: String =
        bases(&dataset).iter().filter(|base| of(&base.name)).map(|base| base.create.as_str()).collect();
    sql.extend(
        views(&dataset)
            .iter()
            .filter(|view| of(&view.name) || view.name == "hist_product")
            .map(|view| view.create(&dataset.warehouse)),
    );
    expect![[r#"
        CREATE SEQUENCE "shop_dw"."dim_product_row_key_seq";
        CREATE TABLE "shop_dw"."dim_product_rows" (
          row_key bigint PRIMARY KEY DEFAULT nextval('"shop_dw"."dim_product_row_key_seq"'),
          "shop_id" varchar(10) COLLATE "C" NOT NULL,
          "sku" varchar(20) COLLATE "C" NOT NULL,
          "label" varchar(60) COLLATE "C",
          "price" numeric(10,2),
          row_status text NOT NULL CHECK (row_status IN ('open', 'current', 'absent')),
          valid_from timestamptz,
          object_version_key bigint,
          source_line bigint,
          UNIQUE ("shop_id", "sku"),
          CHECK ((row_status = 'open') = (object_version_key IS NULL))
        );
        ALTER SEQUENCE "shop_dw"."dim_product_row_key_seq" OWNED BY "shop_dw"."dim_product_rows".row_key;
        CREATE INDEX ON "shop_dw"."dim_product_rows" (row_key) WHERE row_status = 'open';
        CREATE INDEX ON "shop_dw"."dim_product_rows" ("shop_id");
        CREATE TABLE "shop_dw"."dim_product_history" (
          row_key bigint NOT NULL,
          "label" varchar(60) COLLATE "C",
          "price" numeric(10,2),
          row_absent boolean NOT NULL,
          valid_from timestamptz NOT NULL,
          valid_to timestamptz NOT NULL,
          object_version_key bigint NOT NULL,
          source_line bigint,
          closing_version_key bigint NOT NULL,
          PRIMARY KEY (row_key, object_version_key)
        );
        CREATE TABLE "shop_dw"."dim_product_presence" (
          object_version_key bigint PRIMARY KEY,
          row_keys bigint[] NOT NULL,
          source_lines bigint[] NOT NULL
        );
        CREATE TABLE "shop_dw"."dim_product_snapshots" (
          object_version_key bigint NOT NULL,
          "shop_id" varchar(10) COLLATE "C" NOT NULL,
          row_blind boolean NOT NULL,
          PRIMARY KEY ("object_version_key", "shop_id")
        );
        CREATE TABLE "shop_dw"."dim_product_refused" (
          object_version_key bigint NOT NULL,
          "shop_id" varchar(10) COLLATE "C" NOT NULL,
          "sku" varchar(20) COLLATE "C" NOT NULL,
          PRIMARY KEY (object_version_key, "shop_id", "sku")
        );
        CREATE OR REPLACE VIEW "shop_dw"."dim_product" AS
        SELECT r.row_key AS "product_key", r."shop_id" AS "shop_id", r."sku" AS "sku", CASE WHEN r.row_status = 'absent' THEN h."label" ELSE r."label" END AS "label", CASE WHEN r.row_status = 'absent' THEN h."price" ELSE r."price" END AS "price", r.row_status AS "member_status", r.valid_from AS "valid_from", r."object_version_key" AS "object_version_key", r."source_line" AS "source_line"
        FROM "shop_dw"."dim_product_rows" r LEFT JOIN "shop_dw"."dim_product_history" h ON r.row_status = 'absent' AND h.row_key = r.row_key AND h.closing_version_key = r.object_version_key;
        CREATE OR REPLACE VIEW "shop_dw"."hist_product" AS
        SELECT h.row_key AS "product_key", r."shop_id" AS "shop_id", r."sku" AS "sku", h."label" AS "label", h."price" AS "price", h.valid_from AS "valid_from", h.valid_to AS "valid_to", h."object_version_key" AS "object_version_key", h."source_line" AS "source_line", h."closing_version_key" AS "closing_version_key"
        FROM "shop_dw"."dim_product_history" h JOIN "shop_dw"."dim_product_rows" r USING (row_key) WHERE NOT h.row_absent;
    "#]].assert_eq(&sql);
}

#[test]
fn values_in_force_are_a_view_and_states_of_a_day_a_function() {
    let dataset = shop();
    let view = views(&dataset).into_iter().find(|view| view.name == "fact_line_with_dim_product").unwrap();
    expect![[r#"
        CREATE OR REPLACE VIEW "shop_dw"."fact_line_with_dim_product" AS
        SELECT f.row_key AS "fact_line_key", d.row_key AS "product_key", d."shop_id" AS "shop_id", d."sku" AS "sku", s."label" AS "label", s."price" AS "price", s.valid_from AS "valid_from", s.valid_from >= ((f."sold_on" + 1)::timestamp AT TIME ZONE 'Europe/Paris') AS "extrapolated"
        FROM "shop_dw"."fact_line_rows" f JOIN "shop_dw"."dim_product_rows" d ON d.row_key = f."product_key"
        CROSS JOIN LATERAL (
          SELECT "label", "price", valid_from FROM (
            SELECT "label", "price", valid_from, 'infinity' AS valid_to, c.object_version_key FROM "shop_dw"."dim_product_rows" c WHERE c.row_key = d.row_key AND c.row_status = 'current'
            UNION ALL SELECT "label", "price", valid_from, h.valid_to, h.object_version_key FROM "shop_dw"."dim_product_history" h WHERE h.row_key = d.row_key AND NOT h.row_absent
          ) AS known
          ORDER BY valid_from < ((f."sold_on" + 1)::timestamp AT TIME ZONE 'Europe/Paris') DESC, CASE WHEN valid_from < ((f."sold_on" + 1)::timestamp AT TIME ZONE 'Europe/Paris') THEN valid_from END DESC, valid_from, valid_to DESC,
            CASE WHEN valid_to = valid_from THEN (SELECT ROW(o.order_modified, o.order_position, o.bucket, o.key, o.version_id) FROM audit.object_version o WHERE o.object_version_key = known.object_version_key) END DESC
          LIMIT 1
        ) AS s
        WHERE f.row_status = 'current';
    "#]].assert_eq(&view.create(&dataset.warehouse));
    let functions = functions(&dataset);
    let line = functions.split_inclusive("$body$;\n").find(|function| function.contains("fact_line_on")).unwrap();
    expect![[r#"
        CREATE FUNCTION "shop_dw"."fact_line_on"(date) RETURNS TABLE ("fact_line_key" bigint, "line_id" varchar(20), "product_key" bigint, "quantity" bigint, "sold_on" date, "dozens" numeric(12,2), "valid_from" timestamptz) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $body$
        SELECT r.row_key, r."line_id", r."product_key", r."quantity", r."sold_on", r."dozens", r.valid_from FROM "shop_dw"."fact_line_rows" r WHERE r.row_status = 'current' AND r.valid_from < (($1 + 1)::timestamp AT TIME ZONE 'Europe/Paris')
        UNION ALL
        SELECT r.row_key, r."line_id", h."product_key", h."quantity", h."sold_on", h."dozens", h.valid_from FROM "shop_dw"."fact_line_history" h JOIN "shop_dw"."fact_line_rows" r USING (row_key)
        WHERE NOT h.row_absent AND h.valid_from < (($1 + 1)::timestamp AT TIME ZONE 'Europe/Paris') AND h.valid_to >= (($1 + 1)::timestamp AT TIME ZONE 'Europe/Paris')
        $body$;
    "#]].assert_eq(line);
}

#[test]
fn a_version_of_customers_is_loaded() {
    expect![[r#"
        ANALYZE loading;
        CREATE TEMP TABLE version_rank ON COMMIT DROP AS
        SELECT o.object_version_key, o.rank, o.order_instant AS instant
        FROM audit.version_order o JOIN loading USING (dataset);
        ANALYZE version_rank;
        CREATE TEMP TABLE this ON COMMIT DROP AS
        SELECT l.object_version_key, r.rank, r.instant, l.withdrawn, l.blind
        FROM loading l JOIN version_rank r USING (object_version_key);
        ANALYZE this;
        CREATE TEMP TABLE warning (rule text, rows bigint) ON COMMIT DROP;
        CREATE TEMP TABLE "dim_customer_own" ON COMMIT DROP AS
        SELECT coalesce(m.row_key, nextval('"shop_dw"."dim_customer_row_key_seq"')) AS row_key, m.row_key IS NULL AS row_is_new,
          m.row_key IS NOT NULL AND (m.row_status <> 'current' OR v.rank > t.rank OR (m."name", m."city") IS DISTINCT FROM (i."name", i."city")) AS row_is_told,
          i."customer_id", i.source_line, i."name" AS "name", i."city" AS "city"
        FROM incoming i CROSS JOIN this t LEFT JOIN "shop_dw"."dim_customer_rows" m ON m."customer_id" = i."customer_id"
        LEFT JOIN version_rank v ON v.object_version_key = m.object_version_key;
        ANALYZE "dim_customer_own";
        INSERT INTO "shop_dw"."dim_customer_rows" (row_key, "customer_id", "name", "city", row_status, valid_from, object_version_key, source_line)
        SELECT o.row_key, o."customer_id", o."name", o."city", 'current', t.instant, t.object_version_key, o.source_line
        FROM "dim_customer_own" o CROSS JOIN this t WHERE o.row_is_new;
        CREATE TEMP TABLE "dim_customer_touched" ON COMMIT DROP AS
        SELECT row_key FROM "dim_customer_own" WHERE row_is_told
        UNION
        SELECT u.row_key FROM "shop_dw"."dim_customer_presence" p JOIN this USING (object_version_key), unnest(p.row_keys) AS u (row_key);
        ANALYZE "dim_customer_touched";
        CREATE TEMP TABLE "dim_customer_before" ON COMMIT DROP AS
        SELECT m.row_key, v.rank AS row_rank, m.object_version_key, m.source_line, m."name", m."city", m.row_status = 'absent' AS row_absent, NULL::bigint AS closing_version_key
        FROM "dim_customer_touched" JOIN "shop_dw"."dim_customer_rows" m USING (row_key) JOIN version_rank v ON v.object_version_key = m.object_version_key
        UNION ALL
        SELECT h.row_key, v.rank, h.object_version_key, h.source_line, h."name", h."city", h.row_absent, h.closing_version_key
        FROM "dim_customer_touched" JOIN "shop_dw"."dim_customer_history" h USING (row_key) JOIN version_rank v ON v.object_version_key = h.object_version_key;
        ANALYZE "dim_customer_before";
        CREATE TEMP TABLE "dim_customer_said" ON COMMIT DROP AS
        SELECT o.row_key, t.rank AS row_rank, t.object_version_key, o.source_line, o."name", o."city", false AS row_absent
        FROM "dim_customer_touched" JOIN "dim_customer_own" o USING (row_key) CROSS JOIN this t;
        ANALYZE "dim_customer_said";
        CREATE TEMP TABLE "dim_customer_start" ON COMMIT DROP AS
        SELECT b.row_key, b.row_rank FROM "dim_customer_before" b JOIN this USING (object_version_key)
        UNION
        SELECT row_key, row_rank FROM "dim_customer_said";
        ANALYZE "dim_customer_start";
        CREATE TEMP TABLE "dim_customer_seen" ON COMMIT DROP AS
        SELECT u.row_key, v.rank AS row_rank, p.object_version_key, u.source_line, false AS row_absent
        FROM "shop_dw"."dim_customer_presence" p JOIN version_rank v USING (object_version_key) CROSS JOIN this t
        CROSS JOIN LATERAL unnest(p.row_keys, p.source_lines) AS u (row_key, source_line)
        WHERE p.object_version_key <> t.object_version_key AND v.rank > (SELECT min(row_rank) FROM "dim_customer_start") AND u.row_key IN (SELECT row_key FROM "dim_customer_start");
        CREATE TEMP TABLE "dim_customer_next" ON COMMIT DROP AS
        WITH next AS (
          SELECT DISTINCT ON (s.row_key, s.row_rank) c.*
          FROM "dim_customer_start" s JOIN (TABLE "dim_customer_seen" UNION ALL SELECT row_key, row_rank, object_version_key, source_line, row_absent FROM "dim_customer_said") c
            ON c.row_key = s.row_key AND (c.row_rank) > (s.row_rank)
          ORDER BY s.row_key, s.row_rank, c.row_rank
        ), other AS (
          SELECT DISTINCT n.* FROM next n CROSS JOIN this t
          WHERE n.object_version_key <> t.object_version_key AND NOT EXISTS (
            SELECT FROM "dim_customer_before" b WHERE b.row_key = n.row_key AND b.object_version_key = n.object_version_key)
        )
        SELECT DISTINCT ON (n.row_key, n.row_rank) n.row_key, n.row_rank, n.object_version_key, n.source_line, b."name", b."city", n.row_absent
        FROM other n LEFT JOIN "dim_customer_before" b ON b.row_key = n.row_key AND (b.row_rank) <= (n.row_rank)
        WHERE n.row_absent OR b.row_key IS NOT NULL
        ORDER BY n.row_key, n.row_rank, b.row_rank DESC NULLS LAST;
        CREATE TEMP TABLE "dim_customer_after" ON COMMIT DROP AS
        WITH point AS (
          SELECT row_key, row_rank, object_version_key, source_line, "name", "city", row_absent FROM "dim_customer_before" b WHERE object_version_key <> (SELECT object_version_key FROM this)
          UNION ALL TABLE "dim_customer_said"
          UNION ALL TABLE "dim_customer_next"
        ), compared AS (
          SELECT *, CASE WHEN lag(row_rank) OVER w IS NULL THEN NOT row_absent
            ELSE (row_absent, "name", "city") IS DISTINCT FROM (lag(row_absent) OVER w, lag("name") OVER w, lag("city") OVER w) END AS row_opens
          FROM point WINDOW w AS (PARTITION BY row_key ORDER BY row_rank)
        )
        SELECT row_key, row_rank, object_version_key, source_line, "name", "city", row_absent, lead(object_version_key) OVER (PARTITION BY row_key ORDER BY row_rank) AS closing_version_key
        FROM compared WHERE row_opens;
        ANALYZE "dim_customer_after";
        CREATE TEMP TABLE "dim_customer_changed" ON COMMIT DROP AS
        SELECT d.row_key, b.row_key IS NULL AND a.row_key IS NOT NULL AS begins, (b.row_absent, b."name", b."city") IS DISTINCT FROM (a.row_absent, a."name", a."city") AS differs
        FROM (SELECT row_key FROM (TABLE "dim_customer_before" EXCEPT TABLE "dim_customer_after") AS gone UNION SELECT row_key FROM (TABLE "dim_customer_after" EXCEPT TABLE "dim_customer_before") AS come) AS d
        LEFT JOIN "dim_customer_before" b ON b.row_key = d.row_key AND b.closing_version_key IS NULL LEFT JOIN "dim_customer_after" a ON a.row_key = d.row_key AND a.closing_version_key IS NULL;
        ANALYZE "dim_customer_changed";
        DELETE FROM "shop_dw"."dim_customer_history" h USING "dim_customer_changed" c WHERE h.row_key = c.row_key AND NOT EXISTS (
          SELECT FROM "dim_customer_after" a WHERE a.row_key = h.row_key AND a.object_version_key = h.object_version_key AND a.closing_version_key = h.closing_version_key
            AND (a.source_line, a.row_absent, a."name", a."city") IS NOT DISTINCT FROM (h.source_line, h.row_absent, h."name", h."city"));
        INSERT INTO "shop_dw"."dim_customer_history" (row_key, object_version_key, source_line, "name", "city", row_absent, closing_version_key, valid_from, valid_to)
        SELECT a.row_key, a.object_version_key, a.source_line, a."name", a."city", a.row_absent, a.closing_version_key, f.instant, u.instant
        FROM "dim_customer_changed" JOIN "dim_customer_after" a USING (row_key)
        JOIN version_rank f ON f.object_version_key = a.object_version_key JOIN version_rank u ON u.object_version_key = a.closing_version_key
        WHERE NOT EXISTS (SELECT FROM "shop_dw"."dim_customer_history" h WHERE h.row_key = a.row_key AND h.object_version_key = a.object_version_key);
        UPDATE "shop_dw"."dim_customer_rows" m SET "name" = a."name", "city" = a."city", row_status = CASE WHEN a.row_absent THEN 'absent' ELSE 'current' END, valid_from = f.instant, object_version_key = a.object_version_key, source_line = a.source_line
        FROM "dim_customer_changed" c JOIN "dim_customer_after" a USING (row_key) JOIN version_rank f USING (object_version_key)
        WHERE m.row_key = a.row_key AND a.closing_version_key IS NULL;
        UPDATE "shop_dw"."dim_customer_rows" m SET "name" = NULL, "city" = NULL, row_status = 'open', valid_from = NULL, object_version_key = NULL, source_line = NULL
        FROM "dim_customer_changed" c
        WHERE m.row_key = c.row_key AND NOT EXISTS (SELECT FROM "dim_customer_after" a WHERE a.row_key = c.row_key);
        CREATE TEMP TABLE removed ON COMMIT DROP AS
        SELECT DISTINCT ON (u.row_key) u.row_key, b."name", b."city"
        FROM "shop_dw"."dim_customer_presence" p CROSS JOIN this t CROSS JOIN LATERAL unnest(p.row_keys) AS u (row_key)
        JOIN "dim_customer_before" b ON b.row_key = u.row_key AND b.row_rank <= t.rank
        WHERE p.object_version_key = (SELECT object_version_key FROM this) AND NOT EXISTS (SELECT FROM "dim_customer_own" o WHERE o.row_key = u.row_key)
        ORDER BY u.row_key, b.row_rank DESC;
        CREATE TEMP TABLE outcome ON COMMIT DROP AS
        SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new AND differs) AS updated,
          count(*) FILTER (WHERE NOT is_new AND differs IS NULL) AS unchanged, count(*) FILTER (WHERE NOT is_new AND NOT differs) AS superseded,
          count(*) FILTER (WHERE NOT is_new) AS known, (SELECT count(*) FROM "dim_customer_after" a JOIN this USING (object_version_key) WHERE a.row_absent) AS closed
        FROM (
          SELECT o.row_is_new OR coalesce(c.begins, false) AS is_new, c.differs FROM "dim_customer_own" o LEFT JOIN "dim_customer_changed" c USING (row_key)
        ) AS shown;
        DELETE FROM "shop_dw"."dim_customer_presence" p USING this WHERE p.object_version_key = this.object_version_key;
        INSERT INTO "shop_dw"."dim_customer_presence" (object_version_key, row_keys, source_lines)
        SELECT t.object_version_key, coalesce(array_agg(o.row_key) FILTER (WHERE o.row_key IS NOT NULL), '{}'), coalesce(array_agg(o.source_line) FILTER (WHERE o.row_key IS NOT NULL), '{}')
        FROM this t LEFT JOIN "dim_customer_own" o ON true WHERE NOT t.withdrawn GROUP BY t.object_version_key;
        DELETE FROM "shop_dw"."dim_product_rows" m WHERE m.row_status = 'open'
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_line_rows" o WHERE o."product_key" = m.row_key)
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_line_history" o WHERE o."product_key" = m.row_key);
        DELETE FROM "shop_dw"."fact_order_rows" m WHERE m.row_status = 'open';
        DELETE FROM "shop_dw"."dim_shop_rows" m WHERE m.row_status = 'open'
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_order_rows" o WHERE o."shop_key" = m.row_key)
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_order_history" o WHERE o."shop_key" = m.row_key);
        DELETE FROM "shop_dw"."fact_line_rows" m WHERE m.row_status = 'open';
        DELETE FROM "shop_dw"."dim_customer_rows" m WHERE m.row_status = 'open'
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_order_rows" o WHERE o."customer_key" = m.row_key)
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_order_history" o WHERE o."customer_key" = m.row_key);
        CREATE TEMP TABLE same_file ON COMMIT DROP AS
        SELECT v.object_version_key, r.rank > t.rank AS is_newer
        FROM this t JOIN audit.object_version m USING (object_version_key) JOIN audit.object_version v ON v.bucket = m.bucket AND v.key = m.key AND v.record = m.record
        JOIN version_rank r ON r.object_version_key = v.object_version_key JOIN "shop_dw"."dim_customer_presence" p ON p.object_version_key = v.object_version_key
        WHERE v.object_version_key <> t.object_version_key;
        ANALYZE same_file;
        DELETE FROM "shop_staging"."customer" s USING (SELECT object_version_key FROM same_file WHERE NOT is_newer UNION ALL SELECT object_version_key FROM this) f
        WHERE s.object_version_key = f.object_version_key;
        INSERT INTO "shop_staging"."customer" ("customer_id", "name", "city", source_file, load_timestamp, object_version_key, source_line)
        SELECT i."customer_id", i."name", i."city", l.source_file, now(), t.object_version_key, i.source_line FROM incoming i CROSS JOIN loading l CROSS JOIN this t WHERE NOT EXISTS (SELECT FROM same_file WHERE is_newer);
    "#]].assert_eq(&load_of("customer"));
}

#[test]
fn a_version_of_lines_is_loaded() {
    expect![[r#"
        ANALYZE loading;
        CREATE TEMP TABLE version_rank ON COMMIT DROP AS
        SELECT o.object_version_key, o.rank, o.order_instant AS instant
        FROM audit.version_order o JOIN loading USING (dataset);
        ANALYZE version_rank;
        CREATE TEMP TABLE this ON COMMIT DROP AS
        SELECT l.object_version_key, r.rank, r.instant, l.withdrawn, l.blind
        FROM loading l JOIN version_rank r USING (object_version_key);
        ANALYZE this;
        CREATE TEMP TABLE warning (rule text, rows bigint) ON COMMIT DROP;
        INSERT INTO "shop_dw"."dim_product_rows" ("shop_id", "sku", row_status)
        SELECT DISTINCT i."shop_id", i."sku", 'open' FROM incoming i
        WHERE i."shop_id" IS NOT NULL AND i."sku" IS NOT NULL AND NOT EXISTS (SELECT FROM "shop_dw"."dim_product_rows" m WHERE m."shop_id" = i."shop_id" AND m."sku" = i."sku");
        CREATE TEMP TABLE "fact_line_own" ON COMMIT DROP AS
        SELECT coalesce(m.row_key, nextval('"shop_dw"."fact_line_row_key_seq"')) AS row_key, m.row_key IS NULL AS row_is_new,
          m.row_key IS NOT NULL AND (m.row_status <> 'current' OR v.rank > t.rank OR (m."product_key", m."quantity", m."sold_on") IS DISTINCT FROM (d0.row_key, i."quantity", i."sold_on")) AS row_is_told,
          i."line_id", i.source_line, d0.row_key AS "product_key", i."quantity" AS "quantity", i."sold_on" AS "sold_on"
        FROM incoming i CROSS JOIN this t LEFT JOIN "shop_dw"."fact_line_rows" m ON m."line_id" = i."line_id"
        LEFT JOIN version_rank v ON v.object_version_key = m.object_version_key
        LEFT JOIN "shop_dw"."dim_product_rows" d0 ON d0."shop_id" = i."shop_id" AND d0."sku" = i."sku";
        ANALYZE "fact_line_own";
        INSERT INTO "shop_dw"."fact_line_rows" (row_key, "line_id", row_status)
        SELECT o.row_key, o."line_id", 'open' FROM "fact_line_own" o WHERE o.row_is_new;
        CREATE TEMP TABLE "fact_line_touched" ON COMMIT DROP AS
        SELECT row_key FROM "fact_line_own" WHERE row_is_new OR row_is_told
        UNION
        SELECT u.row_key FROM "shop_dw"."fact_line_presence" p JOIN this USING (object_version_key), unnest(p.row_keys) AS u (row_key)
        UNION
        SELECT m.row_key FROM "shop_dw"."fact_line_rows" m JOIN (SELECT 1 FROM "shop_dw"."fact_line_snapshots" s JOIN this USING (object_version_key) UNION SELECT 1 FROM "scopes_fact_line" s) s ON true;
        ANALYZE "fact_line_touched";
        CREATE TEMP TABLE "fact_line_before" ON COMMIT DROP AS
        SELECT m.row_key, v.rank AS row_rank, m.object_version_key, m.source_line, m."product_key", m."quantity", m."sold_on", m.row_status = 'absent' AS row_absent, NULL::bigint AS closing_version_key
        FROM "fact_line_touched" JOIN "shop_dw"."fact_line_rows" m USING (row_key) JOIN version_rank v ON v.object_version_key = m.object_version_key
        UNION ALL
        SELECT h.row_key, v.rank, h.object_version_key, h.source_line, h."product_key", h."quantity", h."sold_on", h.row_absent, h.closing_version_key
        FROM "fact_line_touched" JOIN "shop_dw"."fact_line_history" h USING (row_key) JOIN version_rank v ON v.object_version_key = h.object_version_key;
        ANALYZE "fact_line_before";
        CREATE TEMP TABLE "fact_line_said" ON COMMIT DROP AS
        SELECT o.row_key, t.rank AS row_rank, t.object_version_key, o.source_line, o."product_key", o."quantity", o."sold_on", false AS row_absent
        FROM "fact_line_touched" JOIN "fact_line_own" o USING (row_key) CROSS JOIN this t
        UNION ALL
        SELECT c.row_key, t.rank, t.object_version_key, NULL::bigint, NULL::bigint, NULL::bigint, NULL::date, true
        FROM "fact_line_touched" c JOIN "shop_dw"."fact_line_rows" m USING (row_key) JOIN "scopes_fact_line" s ON true CROSS JOIN this t
        WHERE NOT t.blind AND NOT t.withdrawn AND NOT EXISTS (SELECT FROM "fact_line_own" o WHERE o.row_key = c.row_key)
          AND NOT EXISTS (SELECT FROM "refused_fact_line" r WHERE m."line_id" = r."line_id");
        ANALYZE "fact_line_said";
        CREATE TEMP TABLE "fact_line_start" ON COMMIT DROP AS
        SELECT b.row_key, b.row_rank FROM "fact_line_before" b JOIN this USING (object_version_key)
        UNION
        SELECT row_key, row_rank FROM "fact_line_said";
        ANALYZE "fact_line_start";
        CREATE TEMP TABLE "fact_line_seen" ON COMMIT DROP AS
        SELECT u.row_key, v.rank AS row_rank, p.object_version_key, u.source_line, false AS row_absent
        FROM "shop_dw"."fact_line_presence" p JOIN version_rank v USING (object_version_key) CROSS JOIN this t
        CROSS JOIN LATERAL unnest(p.row_keys, p.source_lines) AS u (row_key, source_line)
        WHERE p.object_version_key <> t.object_version_key AND v.rank > (SELECT min(row_rank) FROM "fact_line_start") AND u.row_key IN (SELECT row_key FROM "fact_line_start");
        INSERT INTO "fact_line_seen"
        SELECT s.row_key, v.rank, n.object_version_key, NULL, true
        FROM (SELECT DISTINCT row_key FROM "fact_line_start") s JOIN "shop_dw"."fact_line_rows" m USING (row_key) JOIN "shop_dw"."fact_line_snapshots" n ON true JOIN version_rank v ON v.object_version_key = n.object_version_key CROSS JOIN this t
        WHERE NOT n.row_blind AND n.object_version_key <> t.object_version_key AND v.rank > (SELECT min(row_rank) FROM "fact_line_start")
          AND NOT EXISTS (SELECT FROM "fact_line_seen" o WHERE o.row_key = s.row_key AND o.object_version_key = n.object_version_key)
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_line_refused" r WHERE r.object_version_key = n.object_version_key AND m."line_id" = r."line_id");
        CREATE TEMP TABLE "fact_line_next" ON COMMIT DROP AS
        WITH next AS (
          SELECT DISTINCT ON (s.row_key, s.row_rank) c.*
          FROM "fact_line_start" s JOIN (TABLE "fact_line_seen" UNION ALL SELECT row_key, row_rank, object_version_key, source_line, row_absent FROM "fact_line_said") c
            ON c.row_key = s.row_key AND (c.row_rank) > (s.row_rank)
          ORDER BY s.row_key, s.row_rank, c.row_rank
        ), other AS (
          SELECT DISTINCT n.* FROM next n CROSS JOIN this t
          WHERE n.object_version_key <> t.object_version_key AND NOT EXISTS (
            SELECT FROM "fact_line_before" b WHERE b.row_key = n.row_key AND b.object_version_key = n.object_version_key)
        )
        SELECT DISTINCT ON (n.row_key, n.row_rank) n.row_key, n.row_rank, n.object_version_key, n.source_line, b."product_key", b."quantity", b."sold_on", n.row_absent
        FROM other n LEFT JOIN "fact_line_before" b ON b.row_key = n.row_key AND (b.row_rank) <= (n.row_rank)
        WHERE n.row_absent OR b.row_key IS NOT NULL
        ORDER BY n.row_key, n.row_rank, b.row_rank DESC NULLS LAST;
        CREATE TEMP TABLE "fact_line_after" ON COMMIT DROP AS
        WITH point AS (
          SELECT row_key, row_rank, object_version_key, source_line, "product_key", "quantity", "sold_on", row_absent FROM "fact_line_before" b WHERE object_version_key <> (SELECT object_version_key FROM this)
          UNION ALL TABLE "fact_line_said"
          UNION ALL TABLE "fact_line_next"
        ), compared AS (
          SELECT *, CASE WHEN lag(row_rank) OVER w IS NULL THEN NOT row_absent
            ELSE (row_absent, "product_key", "quantity", "sold_on") IS DISTINCT FROM (lag(row_absent) OVER w, lag("product_key") OVER w, lag("quantity") OVER w, lag("sold_on") OVER w) END AS row_opens
          FROM point WINDOW w AS (PARTITION BY row_key ORDER BY row_rank)
        )
        SELECT row_key, row_rank, object_version_key, source_line, "product_key", "quantity", "sold_on", row_absent, lead(object_version_key) OVER (PARTITION BY row_key ORDER BY row_rank) AS closing_version_key
        FROM compared WHERE row_opens;
        ANALYZE "fact_line_after";
        CREATE TEMP TABLE "fact_line_changed" ON COMMIT DROP AS
        SELECT d.row_key, b.row_key IS NULL AND a.row_key IS NOT NULL AS begins, (b.row_absent, b."product_key", b."quantity", b."sold_on") IS DISTINCT FROM (a.row_absent, a."product_key", a."quantity", a."sold_on") AS differs
        FROM (SELECT row_key FROM (TABLE "fact_line_before" EXCEPT TABLE "fact_line_after") AS gone UNION SELECT row_key FROM (TABLE "fact_line_after" EXCEPT TABLE "fact_line_before") AS come) AS d
        LEFT JOIN "fact_line_before" b ON b.row_key = d.row_key AND b.closing_version_key IS NULL LEFT JOIN "fact_line_after" a ON a.row_key = d.row_key AND a.closing_version_key IS NULL;
        ANALYZE "fact_line_changed";
        DELETE FROM "shop_dw"."fact_line_history" h USING "fact_line_changed" c WHERE h.row_key = c.row_key AND NOT EXISTS (
          SELECT FROM "fact_line_after" a WHERE a.row_key = h.row_key AND a.object_version_key = h.object_version_key AND a.closing_version_key = h.closing_version_key
            AND (a.source_line, a.row_absent, a."product_key", a."quantity", a."sold_on") IS NOT DISTINCT FROM (h.source_line, h.row_absent, h."product_key", h."quantity", h."sold_on"));
        INSERT INTO "shop_dw"."fact_line_history" (row_key, object_version_key, source_line, "product_key", "quantity", "sold_on", row_absent, closing_version_key, valid_from, valid_to)
        SELECT a.row_key, a.object_version_key, a.source_line, a."product_key", a."quantity", a."sold_on", a.row_absent, a.closing_version_key, f.instant, u.instant
        FROM "fact_line_changed" JOIN "fact_line_after" a USING (row_key)
        JOIN version_rank f ON f.object_version_key = a.object_version_key JOIN version_rank u ON u.object_version_key = a.closing_version_key
        WHERE NOT EXISTS (SELECT FROM "shop_dw"."fact_line_history" h WHERE h.row_key = a.row_key AND h.object_version_key = a.object_version_key);
        UPDATE "shop_dw"."fact_line_rows" m SET "product_key" = a."product_key", "quantity" = a."quantity", "sold_on" = a."sold_on", row_status = CASE WHEN a.row_absent THEN 'absent' ELSE 'current' END, valid_from = f.instant, object_version_key = a.object_version_key, source_line = a.source_line
        FROM "fact_line_changed" c JOIN "fact_line_after" a USING (row_key) JOIN version_rank f USING (object_version_key)
        WHERE m.row_key = a.row_key AND a.closing_version_key IS NULL;
        UPDATE "shop_dw"."fact_line_rows" m SET "product_key" = NULL, "quantity" = NULL, "sold_on" = NULL, row_status = 'open', valid_from = NULL, object_version_key = NULL, source_line = NULL
        FROM "fact_line_changed" c
        WHERE m.row_key = c.row_key AND NOT EXISTS (SELECT FROM "fact_line_after" a WHERE a.row_key = c.row_key);
        CREATE TEMP TABLE removed ON COMMIT DROP AS
        SELECT DISTINCT ON (u.row_key) u.row_key, b."product_key", b."quantity", b."sold_on"
        FROM "shop_dw"."fact_line_presence" p CROSS JOIN this t CROSS JOIN LATERAL unnest(p.row_keys) AS u (row_key)
        JOIN "fact_line_before" b ON b.row_key = u.row_key AND b.row_rank <= t.rank
        WHERE p.object_version_key = (SELECT object_version_key FROM this) AND NOT EXISTS (SELECT FROM "fact_line_own" o WHERE o.row_key = u.row_key)
        ORDER BY u.row_key, b.row_rank DESC;
        CREATE TEMP TABLE outcome ON COMMIT DROP AS
        SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new AND differs) AS updated,
          count(*) FILTER (WHERE NOT is_new AND differs IS NULL) AS unchanged, count(*) FILTER (WHERE NOT is_new AND NOT differs) AS superseded,
          count(*) FILTER (WHERE NOT is_new) AS known, (SELECT count(*) FROM "fact_line_after" a JOIN this USING (object_version_key) WHERE a.row_absent) AS closed
        FROM (
          SELECT false OR coalesce(c.begins, false) AS is_new, c.differs FROM "fact_line_own" o LEFT JOIN "fact_line_changed" c USING (row_key)
        ) AS shown;
        DELETE FROM "shop_dw"."fact_line_presence" p USING this WHERE p.object_version_key = this.object_version_key;
        INSERT INTO "shop_dw"."fact_line_presence" (object_version_key, row_keys, source_lines)
        SELECT t.object_version_key, coalesce(array_agg(o.row_key) FILTER (WHERE o.row_key IS NOT NULL), '{}'), coalesce(array_agg(o.source_line) FILTER (WHERE o.row_key IS NOT NULL), '{}')
        FROM this t LEFT JOIN "fact_line_own" o ON true WHERE NOT t.withdrawn GROUP BY t.object_version_key;
        DELETE FROM "shop_dw"."fact_line_snapshots" n USING this WHERE n.object_version_key = this.object_version_key;
        DELETE FROM "shop_dw"."fact_line_refused" n USING this WHERE n.object_version_key = this.object_version_key;
        INSERT INTO "shop_dw"."fact_line_snapshots" (object_version_key, row_blind)
        SELECT DISTINCT t.object_version_key, t.blind FROM "scopes_fact_line" s CROSS JOIN this t WHERE NOT t.withdrawn;
        INSERT INTO "shop_dw"."fact_line_refused" (object_version_key, "line_id")
        SELECT DISTINCT t.object_version_key, f."line_id" FROM "refused_fact_line" f CROSS JOIN this t WHERE NOT t.withdrawn;
        DELETE FROM "shop_dw"."dim_product_rows" m WHERE m.row_status = 'open'
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_line_rows" o WHERE o."product_key" = m.row_key)
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_line_history" o WHERE o."product_key" = m.row_key);
        DELETE FROM "shop_dw"."fact_order_rows" m WHERE m.row_status = 'open';
        DELETE FROM "shop_dw"."dim_shop_rows" m WHERE m.row_status = 'open'
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_order_rows" o WHERE o."shop_key" = m.row_key)
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_order_history" o WHERE o."shop_key" = m.row_key);
        DELETE FROM "shop_dw"."fact_line_rows" m WHERE m.row_status = 'open';
        DELETE FROM "shop_dw"."dim_customer_rows" m WHERE m.row_status = 'open'
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_order_rows" o WHERE o."customer_key" = m.row_key)
          AND NOT EXISTS (SELECT FROM "shop_dw"."fact_order_history" o WHERE o."customer_key" = m.row_key);
        CREATE TEMP TABLE same_file ON COMMIT DROP AS
        SELECT v.object_version_key, r.rank > t.rank AS is_newer
        FROM this t JOIN audit.object_version m USING (object_version_key) JOIN audit.object_version v ON v.bucket = m.bucket AND v.key = m.key AND v.record = m.record
        JOIN version_rank r ON r.object_version_key = v.object_version_key JOIN "shop_dw"."fact_line_presence" p ON p.object_version_key = v.object_version_key
        WHERE v.object_version_key <> t.object_version_key;
        ANALYZE same_file;
        DELETE FROM "shop_staging"."line" s USING (SELECT object_version_key FROM same_file WHERE NOT is_newer UNION ALL SELECT object_version_key FROM this) f
        WHERE s.object_version_key = f.object_version_key;
        INSERT INTO "shop_staging"."line" ("line_id", "shop_id", "sku", "quantity", "sold_on", source_file, load_timestamp, object_version_key, source_line)
        SELECT i."line_id", i."shop_id", i."sku", i."quantity", i."sold_on", l.source_file, now(), t.object_version_key, i.source_line FROM incoming i CROSS JOIN loading l CROSS JOIN this t WHERE NOT EXISTS (SELECT FROM same_file WHERE is_newer);
    "#]].assert_eq(&load_of("line"));
}
