-- From the run's own table to dimensions, fact and history: one version of one file, in one transaction.
--
-- The engine gives, under the dataset's lock:
--   incoming   the accepted records: the canonical fields, source_line, source_record (unique, ascending)
--   loading    one row: object_version_key, dataset, source, source_file, run_id, as_of, loaded_at
--   audit.version_order   the rank of each version of the dataset
-- and takes:
--   outcome    one row: inserted, updated, unchanged, superseded; their sum must be the number of incoming rows.
--   removed    a row with the amounts for each invoice that this version showed before and no longer shows.
--   warning    what only the warehouse can see: rule, number of invoices, sentence.
--
-- What must come out (any order of arrival gives the same): the observations of an invoice are, for each loaded version
-- that shows it, (rank of the version, state). Sorted by rank, equal neighbours collapse into one interval that begins with
-- its first observation; the last interval is the fact's row, the others are the history's.
-- A state is (patient, service, date_facture, date_paiement, montant_facture, montant_paye, statut).

CREATE TEMP TABLE rang ON COMMIT DROP AS
SELECT o.object_version_key, o.rank AS rang, o.order_instant AS instant
FROM audit.version_order o JOIN loading l USING (dataset);
ANALYZE rang;

CREATE TEMP TABLE courante ON COMMIT DROP AS
SELECT l.object_version_key, l.source_file, l.loaded_at, r.rang, r.instant
FROM loading l JOIN rang r USING (object_version_key);

---------------------------------------------------------------------------------------------------------- dimensions
-- Of each member, the row with the greatest (date, place in the file). Both are packed into one number (22 bits of days, 40
-- of place), so that a hash aggregate finds it: sorting the whole file for it takes four times as long.

CREATE TEMP TABLE membre_etablissement ON COMMIT DROP AS
WITH dernier AS (
  SELECT etablissement_id, max(((date_facture - DATE '0001-01-01')::bigint << 40) + source_record) AS rang_interne
  FROM incoming GROUP BY etablissement_id)
SELECT i.etablissement_id, i.nom_etablissement, i.type_etablissement, i.ville, i.date_facture, i.source_line
FROM dernier d JOIN incoming i ON i.source_record = d.rang_interne & ((1::bigint << 40) - 1);

UPDATE dw.dim_etablissement d
SET nom_etablissement = m.nom_etablissement, type_etablissement = m.type_etablissement, ville = m.ville,
    attributs_au = m.date_facture, object_version_key = c.object_version_key, source_line = m.source_line
FROM membre_etablissement m, courante c, rang r
WHERE d.etablissement_id = m.etablissement_id AND r.object_version_key = d.object_version_key
  AND ((m.date_facture, c.rang) > (d.attributs_au, r.rang) OR d.object_version_key = c.object_version_key);

INSERT INTO dw.dim_etablissement (etablissement_id, nom_etablissement, type_etablissement, ville, attributs_au, object_version_key, source_line)
SELECT m.etablissement_id, m.nom_etablissement, m.type_etablissement, m.ville, m.date_facture, c.object_version_key, m.source_line
FROM membre_etablissement m CROSS JOIN courante c
WHERE NOT EXISTS (SELECT FROM dw.dim_etablissement d WHERE d.etablissement_id = m.etablissement_id);

CREATE TEMP TABLE membre_service ON COMMIT DROP AS
WITH dernier AS (
  SELECT code_service, max(((date_facture - DATE '0001-01-01')::bigint << 40) + source_record) AS rang_interne
  FROM incoming GROUP BY code_service)
SELECT i.code_service, i.nom_service, i.categorie, i.date_facture, i.source_line
FROM dernier d JOIN incoming i ON i.source_record = d.rang_interne & ((1::bigint << 40) - 1);

UPDATE dw.dim_service d
SET nom_service = m.nom_service, categorie = m.categorie,
    attributs_au = m.date_facture, object_version_key = c.object_version_key, source_line = m.source_line
FROM membre_service m, courante c, rang r
WHERE d.code_service = m.code_service AND r.object_version_key = d.object_version_key
  AND ((m.date_facture, c.rang) > (d.attributs_au, r.rang) OR d.object_version_key = c.object_version_key);

INSERT INTO dw.dim_service (code_service, nom_service, categorie, attributs_au, object_version_key, source_line)
SELECT m.code_service, m.nom_service, m.categorie, m.date_facture, c.object_version_key, m.source_line
FROM membre_service m CROSS JOIN courante c
WHERE NOT EXISTS (SELECT FROM dw.dim_service d WHERE d.code_service = m.code_service);

CREATE TEMP TABLE membre_patient ON COMMIT DROP AS
WITH dernier AS (
  SELECT patient_domain, patient_id, max(((date_facture - DATE '0001-01-01')::bigint << 40) + source_record) AS rang_interne
  FROM incoming GROUP BY patient_domain, patient_id)
SELECT i.patient_domain, i.patient_id, i.nom, i.prenom, i.age, i.date_facture, i.source_line
FROM dernier d JOIN incoming i ON i.source_record = d.rang_interne & ((1::bigint << 40) - 1);
ANALYZE membre_patient;

UPDATE dw.dim_patient d
SET nom = m.nom, prenom = m.prenom, age = m.age,
    attributs_au = m.date_facture, object_version_key = c.object_version_key, source_line = m.source_line
FROM membre_patient m, courante c, rang r
WHERE d.patient_domain = m.patient_domain AND d.patient_id = m.patient_id AND r.object_version_key = d.object_version_key
  AND ((m.date_facture, c.rang) > (d.attributs_au, r.rang) OR d.object_version_key = c.object_version_key);

INSERT INTO dw.dim_patient (patient_domain, patient_id, nom, prenom, age, attributs_au, object_version_key, source_line)
SELECT m.patient_domain, m.patient_id, m.nom, m.prenom, m.age, m.date_facture, c.object_version_key, m.source_line
FROM membre_patient m CROSS JOIN courante c
WHERE NOT EXISTS (SELECT FROM dw.dim_patient d WHERE d.patient_domain = m.patient_domain AND d.patient_id = m.patient_id);

INSERT INTO dw.dim_date (date_key, date_complete, annee, mois, jour, trimestre, nom_mois, jour_semaine)
SELECT (annee * 100 + mois) * 100 + jour, jour_facture, annee, mois, jour, (mois + 2) / 3,
       (ARRAY['janvier', 'février', 'mars', 'avril', 'mai', 'juin',
              'juillet', 'août', 'septembre', 'octobre', 'novembre', 'décembre'])[mois],
       (ARRAY['lundi', 'mardi', 'mercredi', 'jeudi', 'vendredi', 'samedi', 'dimanche'])[jour_iso]
FROM (SELECT date_facture AS jour_facture, date_part('year', date_facture)::integer AS annee,
             date_part('month', date_facture)::integer AS mois, date_part('day', date_facture)::integer AS jour,
             date_part('isodow', date_facture)::integer AS jour_iso
      FROM incoming GROUP BY date_facture) AS dates
WHERE NOT EXISTS (SELECT FROM dw.dim_date d WHERE d.date_complete = dates.jour_facture);

---------------------------------------------------------------------------------------------------------- observations
-- Each row with its keys, and what the warehouse knows of its invoice. `a_revoir`: its newest state differs, or was first
-- shown by a newer version. The others are unchanged: the state in force at this version's rank is the row's own.

CREATE TEMP TABLE observe ON COMMIT DROP AS
SELECT coalesce(f.facture_key, nextval('dw.facture_key_seq')) AS facture_key, f.facture_key IS NULL AS nouvelle,
       f.facture_key IS NOT NULL AND (
         r.rang > c.rang
         OR (f.patient_key, f.service_key, f.date_facture, f.date_paiement, f.montant_facture, f.montant_paye, f.statut)
            IS DISTINCT FROM
            (p.patient_key, s.service_key, i.date_facture, i.date_paiement, i.montant_facture, i.montant_paye, i.statut)
       ) AS a_revoir,
       i.facture_id, e.etablissement_key, p.patient_key, s.service_key, d.date_key, i.date_facture, i.date_paiement,
       i.montant_facture, i.montant_paye, i.statut, i.source_line
FROM courante c
CROSS JOIN incoming i
JOIN dw.dim_etablissement e ON e.etablissement_id = i.etablissement_id
JOIN dw.dim_service s ON s.code_service = i.code_service
JOIN dw.dim_patient p ON p.patient_domain = i.patient_domain AND p.patient_id = i.patient_id
JOIN dw.dim_date d ON d.date_complete = i.date_facture
LEFT JOIN dw.fact_facturation f ON f.etablissement_key = e.etablissement_key AND f.facture_id = i.facture_id
LEFT JOIN rang r ON r.object_version_key = f.object_version_key;
ANALYZE observe;

-- What this same version showed when it was loaded before, under another contract: replaced.
CREATE TEMP TABLE relue ON COMMIT DROP AS
SELECT u.facture_key
FROM dw.observation o JOIN courante c USING (object_version_key) CROSS JOIN LATERAL unnest(o.facture_keys) AS u (facture_key);

CREATE TEMP TABLE revue ON COMMIT DROP AS
SELECT facture_key FROM observe WHERE a_revoir UNION SELECT facture_key FROM relue;
ANALYZE revue;

INSERT INTO dw.fact_facturation (facture_key, facture_id, patient_key, etablissement_key, date_key, service_key, date_facture,
  date_paiement, montant_facture, montant_paye, montant_impaye, delai_paiement_jours, statut, valide_du, object_version_key, source_line)
SELECT o.facture_key, o.facture_id, o.patient_key, o.etablissement_key, o.date_key, o.service_key, o.date_facture,
  o.date_paiement, o.montant_facture, o.montant_paye, o.montant_facture - o.montant_paye, o.date_paiement - o.date_facture,
  o.statut, c.instant, c.object_version_key, o.source_line
FROM observe o CROSS JOIN courante c WHERE o.nouvelle;

-- Those that it no longer shows; `avant` gives their amounts.
CREATE TEMP TABLE otee ON COMMIT DROP AS
SELECT facture_key FROM relue EXCEPT SELECT facture_key FROM observe;

---------------------------------------------------------------------------------------------------------- history
-- Of the invoices under review: the openings of their intervals as they stand, each with the version that closes it (none
-- for the fact's).
CREATE TEMP TABLE avant ON COMMIT DROP AS
SELECT f.facture_key, r.rang, f.object_version_key, f.source_line, f.patient_key, f.service_key, f.date_facture,
       f.date_paiement, f.montant_facture, f.montant_paye, f.statut, NULL::bigint AS closing_version_key
FROM revue JOIN dw.fact_facturation f USING (facture_key) JOIN rang r USING (object_version_key)
UNION ALL
SELECT h.facture_key, r.rang, h.object_version_key, h.source_line, h.patient_key, h.service_key, h.date_facture,
       h.date_paiement, h.montant_facture, h.montant_paye, h.statut, h.closing_version_key
FROM revue JOIN dw.hist_facturation h USING (facture_key) JOIN rang r USING (object_version_key);
ANALYZE avant;

-- As this version showed them: the state in force at its rank.
CREATE TEMP TABLE removed ON COMMIT DROP AS
SELECT DISTINCT ON (a.facture_key) a.facture_key, a.montant_facture, a.montant_paye
FROM otee JOIN avant a USING (facture_key) CROSS JOIN courante c
WHERE a.rang <= c.rang
ORDER BY a.facture_key, a.rang DESC;

CREATE TEMP TABLE identite ON COMMIT DROP AS
SELECT f.facture_key, f.facture_id, f.etablissement_key FROM revue JOIN dw.fact_facturation f USING (facture_key);

-- Where this version comes late, it splits an interval: the rest begins with the next observation, which newer versions
-- name. Without newer versions of the same facilities nothing is read here.
CREATE TEMP TABLE suivante ON COMMIT DROP AS
SELECT DISTINCT ON (u.facture_key) u.facture_key, r.rang, o.object_version_key, u.source_line
FROM courante c
JOIN rang r ON r.rang > c.rang
JOIN dw.observation o ON o.object_version_key = r.object_version_key
  AND o.etablissement_keys && (SELECT array_agg(DISTINCT etablissement_key) FROM identite)
CROSS JOIN LATERAL unnest(o.facture_keys, o.source_lines) AS u (facture_key, source_line)
JOIN revue v ON v.facture_key = u.facture_key
ORDER BY u.facture_key, r.rang;

-- The same intervals as they must be. Openings, the next observation and this version's are all that is needed: every
-- other observation repeats the state before it.
CREATE TEMP TABLE apres ON COMMIT DROP AS
WITH en_vigueur AS (
  SELECT DISTINCT ON (a.facture_key) a.*
  FROM avant a CROSS JOIN courante c WHERE a.rang <= c.rang ORDER BY a.facture_key, a.rang DESC
), point AS (
  SELECT a.facture_key, a.rang, a.object_version_key, a.source_line, a.patient_key, a.service_key, a.date_facture,
         a.date_paiement, a.montant_facture, a.montant_paye, a.statut
  FROM avant a CROSS JOIN courante c WHERE a.object_version_key <> c.object_version_key
  UNION ALL
  SELECT s.facture_key, s.rang, s.object_version_key, s.source_line, v.patient_key, v.service_key, v.date_facture,
         v.date_paiement, v.montant_facture, v.montant_paye, v.statut
  FROM suivante s JOIN en_vigueur v USING (facture_key)
  WHERE NOT EXISTS (SELECT FROM avant a WHERE a.facture_key = s.facture_key AND a.object_version_key = s.object_version_key)
  UNION ALL
  SELECT o.facture_key, c.rang, c.object_version_key, o.source_line, o.patient_key, o.service_key, o.date_facture,
         o.date_paiement, o.montant_facture, o.montant_paye, o.statut
  FROM revue JOIN observe o USING (facture_key) CROSS JOIN courante c
), compare AS (
  SELECT p.*, lag(rang) OVER w IS NULL
    OR (patient_key, service_key, date_facture, date_paiement, montant_facture, montant_paye, statut) IS DISTINCT FROM
       (lag(patient_key) OVER w, lag(service_key) OVER w, lag(date_facture) OVER w, lag(date_paiement) OVER w,
        lag(montant_facture) OVER w, lag(montant_paye) OVER w, lag(statut) OVER w) AS ouvre
  FROM point p WINDOW w AS (PARTITION BY facture_key ORDER BY rang)
)
SELECT facture_key, rang, object_version_key, source_line, patient_key, service_key, date_facture, date_paiement,
       montant_facture, montant_paye, statut,
       lead(object_version_key) OVER (PARTITION BY facture_key ORDER BY rang) AS closing_version_key
FROM compare WHERE ouvre;
ANALYZE apres;

-- What is written at all, and whether the newest state is another.
CREATE TEMP TABLE touchee ON COMMIT DROP AS
SELECT d.facture_key,
       (a.patient_key, a.service_key, a.date_facture, a.date_paiement, a.montant_facture, a.montant_paye, a.statut)
       IS DISTINCT FROM
       (b.patient_key, b.service_key, b.date_facture, b.date_paiement, b.montant_facture, b.montant_paye, b.statut) AS etat_change
FROM (SELECT facture_key FROM (TABLE avant EXCEPT TABLE apres) AS ote
      UNION SELECT facture_key FROM (TABLE apres EXCEPT TABLE avant) AS mis) AS d
LEFT JOIN avant a ON a.facture_key = d.facture_key AND a.closing_version_key IS NULL
LEFT JOIN apres b ON b.facture_key = d.facture_key AND b.closing_version_key IS NULL;

DELETE FROM dw.hist_facturation h
USING touchee t
WHERE h.facture_key = t.facture_key AND NOT EXISTS (
  SELECT FROM apres a
  WHERE a.facture_key = h.facture_key AND a.object_version_key = h.object_version_key
    AND a.closing_version_key = h.closing_version_key AND a.source_line = h.source_line
    AND (a.patient_key, a.service_key, a.date_facture, a.date_paiement, a.montant_facture, a.montant_paye, a.statut)
        IS NOT DISTINCT FROM
        (h.patient_key, h.service_key, h.date_facture, h.date_paiement, h.montant_facture, h.montant_paye, h.statut));

INSERT INTO dw.hist_facturation (facture_key, facture_id, patient_key, etablissement_key, service_key, date_facture, date_paiement,
  montant_facture, montant_paye, montant_impaye, delai_paiement_jours, statut, valide_du, valide_au, object_version_key,
  source_line, closing_version_key)
SELECT a.facture_key, i.facture_id, a.patient_key, i.etablissement_key, a.service_key, a.date_facture, a.date_paiement,
  a.montant_facture, a.montant_paye, a.montant_facture - a.montant_paye, a.date_paiement - a.date_facture, a.statut,
  du.instant, au.instant, a.object_version_key, a.source_line, a.closing_version_key
FROM touchee t
JOIN apres a USING (facture_key)
JOIN identite i USING (facture_key)
JOIN rang du ON du.object_version_key = a.object_version_key
JOIN rang au ON au.object_version_key = a.closing_version_key
WHERE NOT EXISTS (SELECT FROM dw.hist_facturation h
                  WHERE h.facture_key = a.facture_key AND h.object_version_key = a.object_version_key);

-- A score belongs to a state: it goes with it.
UPDATE dw.fact_facturation f
SET patient_key = a.patient_key, service_key = a.service_key, date_key = d.date_key, date_facture = a.date_facture,
    date_paiement = a.date_paiement, montant_facture = a.montant_facture, montant_paye = a.montant_paye,
    montant_impaye = a.montant_facture - a.montant_paye, delai_paiement_jours = a.date_paiement - a.date_facture,
    statut = a.statut, valide_du = r.instant, object_version_key = a.object_version_key, source_line = a.source_line,
    anomaly_score = CASE WHEN t.etat_change THEN NULL ELSE f.anomaly_score END,
    anomaly_raison = CASE WHEN t.etat_change THEN NULL ELSE f.anomaly_raison END
FROM touchee t
JOIN apres a ON a.facture_key = t.facture_key AND a.closing_version_key IS NULL
JOIN rang r ON r.object_version_key = a.object_version_key
JOIN dw.dim_date d ON d.date_complete = a.date_facture
WHERE f.facture_key = a.facture_key
  AND (t.etat_change OR (f.object_version_key, f.source_line) IS DISTINCT FROM (a.object_version_key, a.source_line));

-- An invoice that no version shows any more: this version alone did, and its new contract refuses the row.
DELETE FROM dw.fact_facturation f
USING relue l
WHERE f.facture_key = l.facture_key AND NOT EXISTS (SELECT FROM apres a WHERE a.facture_key = l.facture_key);

INSERT INTO dw.observation (object_version_key, etablissement_keys, facture_keys, source_lines)
SELECT c.object_version_key, coalesce(array_agg(DISTINCT o.etablissement_key) FILTER (WHERE o.etablissement_key IS NOT NULL), '{}'),
       coalesce(array_agg(o.facture_key) FILTER (WHERE o.facture_key IS NOT NULL), '{}'),
       coalesce(array_agg(o.source_line::integer) FILTER (WHERE o.facture_key IS NOT NULL), '{}')
FROM courante c LEFT JOIN observe o ON true
GROUP BY c.object_version_key
ON CONFLICT (object_version_key) DO UPDATE
SET etablissement_keys = excluded.etablissement_keys, facture_keys = excluded.facture_keys, source_lines = excluded.source_lines;

---------------------------------------------------------------------------------------------------------- staging
-- Each file's newest version; a late, older one leaves it as it is.
CREATE TEMP TABLE meme_fichier ON COMMIT DROP AS
SELECT v.object_version_key, r.rang > c.rang AS plus_recente
FROM courante c
JOIN audit.object_version m ON m.object_version_key = c.object_version_key
JOIN audit.object_version v ON v.bucket = m.bucket AND v.key = m.key
JOIN rang r ON r.object_version_key = v.object_version_key
JOIN dw.observation o ON o.object_version_key = v.object_version_key;

DELETE FROM staging.facturation s
USING meme_fichier m
WHERE s.object_version_key = m.object_version_key AND NOT m.plus_recente;

INSERT INTO staging.facturation (facture_id, patient_id, nom, prenom, age, etablissement_id, nom_etablissement, type_etablissement,
  ville, code_service, nom_service, categorie, date_facture, date_paiement, montant_facture, montant_paye, statut, patient_domain,
  source_file, load_timestamp, object_version_key, source_line)
SELECT i.facture_id, i.patient_id, i.nom, i.prenom, i.age, i.etablissement_id, i.nom_etablissement, i.type_etablissement,
  i.ville, i.code_service, i.nom_service, i.categorie, i.date_facture, i.date_paiement, i.montant_facture, i.montant_paye, i.statut,
  i.patient_domain, c.source_file, c.loaded_at, c.object_version_key, i.source_line
FROM incoming i CROSS JOIN courante c
WHERE NOT EXISTS (SELECT FROM meme_fichier WHERE plus_recente);

---------------------------------------------------------------------------------------------------------- warnings
-- A payment is a state: one that is lower than the state before it is taken, and counted. A late version may also be the state before.
-- Of a credit note the part that is settled counts, whatever its sign. A load that changes nothing of an invoice says nothing of it again.
CREATE TEMP TABLE warning ON COMMIT DROP AS
SELECT 'paiement_en_baisse'::text AS rule, count(DISTINCT p.facture_key) AS rows,
       'Le montant payé d''une facture est inférieur à celui de l''état précédent : le plus récent compte.'::text AS message
FROM (SELECT facture_key, object_version_key, montant_paye, lag(object_version_key) OVER w AS version_avant,
             lag(montant_paye) OVER w AS paye_avant
      FROM apres WINDOW w AS (PARTITION BY facture_key ORDER BY rang)) AS p
CROSS JOIN courante c
JOIN touchee t USING (facture_key)
WHERE abs(p.montant_paye) < abs(p.paye_avant) AND c.object_version_key IN (p.object_version_key, p.version_avant);

---------------------------------------------------------------------------------------------------------- outcome
CREATE TEMP TABLE outcome ON COMMIT DROP AS
SELECT count(*) FILTER (WHERE o.nouvelle) AS inserted,
       count(*) FILTER (WHERE t.etat_change) AS updated,
       count(*) FILTER (WHERE NOT o.nouvelle AND t.facture_key IS NULL) AS unchanged,
       count(*) FILTER (WHERE NOT t.etat_change) AS superseded
FROM observe o LEFT JOIN touchee t USING (facture_key);
