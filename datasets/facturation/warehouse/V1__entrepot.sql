-- L'entrepôt de la facturation : zone de transit, étoile, historique.
--
-- Natural keys compare by bytes (COLLATE "C"): no index depends on a locale. A date written in `valide_du` is the order of
-- the object version that opened the state (its extraction date, or the time at which it was written).
-- Lineage (object_version_key, source_line) names the line of the file that first showed a state. It has no foreign key to
-- audit.object_version on the wide tables: the engine never deletes a version, and the check costs more than the insert.

CREATE SCHEMA staging;
CREATE SCHEMA dw;

-- The newest version of each file as it was accepted. Not logged: after a crash the silver files fill it again.
CREATE UNLOGGED TABLE staging.facturation (
  facture_id          varchar(50),
  patient_id          varchar(50),
  nom                 varchar(100),
  prenom              varchar(100),
  age                 integer,
  etablissement_id    varchar(50),
  nom_etablissement   varchar(200),
  type_etablissement  varchar(100),
  ville               varchar(100),
  code_service        varchar(50),
  nom_service         varchar(200),
  categorie           varchar(100),
  date_facture        date,
  date_paiement       date,
  montant_facture     numeric(10,2),
  montant_paye        numeric(10,2),
  statut              varchar(50),
  patient_domain      varchar(50),
  source_file         text,
  load_timestamp      timestamptz NOT NULL DEFAULT now(),
  object_version_key  bigint NOT NULL,
  source_line         bigint NOT NULL
);
CREATE INDEX idx_staging_version ON staging.facturation (object_version_key);

-- Dimensions. Attributes come from the greatest (date of invoice, order of version, line) ever seen, and never from the
-- order of arrival: attributs_au, object_version_key and source_line say which observation that was.
CREATE TABLE dw.dim_patient (
  patient_key         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- patients of two facilities are two patients, unless their sources share a domain
  patient_domain      varchar(50) COLLATE "C" NOT NULL,
  patient_id          varchar(50) COLLATE "C" NOT NULL,
  nom                 varchar(100),
  prenom              varchar(100),
  age                 integer,
  attributs_au        date NOT NULL,
  object_version_key  bigint NOT NULL,
  source_line         bigint NOT NULL,
  UNIQUE (patient_domain, patient_id)
);

CREATE TABLE dw.dim_etablissement (
  etablissement_key   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  etablissement_id    varchar(50) COLLATE "C" UNIQUE NOT NULL,
  nom_etablissement   varchar(200),
  type_etablissement  varchar(100),
  ville               varchar(100),
  attributs_au        date NOT NULL,
  object_version_key  bigint NOT NULL,
  source_line         bigint NOT NULL
);

CREATE TABLE dw.dim_service (
  service_key         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code_service        varchar(50) COLLATE "C" UNIQUE NOT NULL,
  nom_service         varchar(200),
  categorie           varchar(100),
  attributs_au        date NOT NULL,
  object_version_key  bigint NOT NULL,
  source_line         bigint NOT NULL
);

CREATE TABLE dw.dim_date (
  date_key            integer PRIMARY KEY, -- yyyymmdd
  date_complete       date UNIQUE NOT NULL,
  annee               integer NOT NULL,
  mois                integer NOT NULL,
  jour                integer NOT NULL,
  trimestre           integer NOT NULL,
  nom_mois            varchar(20) NOT NULL,
  jour_semaine        varchar(20) NOT NULL
);

-- One row per invoice: its newest state.
CREATE SEQUENCE dw.facture_key_seq;
CREATE TABLE dw.fact_facturation (
  facture_key          bigint PRIMARY KEY DEFAULT nextval('dw.facture_key_seq'),
  facture_id           varchar(50) COLLATE "C" NOT NULL,
  patient_key          integer NOT NULL REFERENCES dw.dim_patient,
  etablissement_key    integer NOT NULL REFERENCES dw.dim_etablissement,
  date_key             integer NOT NULL REFERENCES dw.dim_date,
  service_key          integer NOT NULL REFERENCES dw.dim_service,
  date_facture         date NOT NULL,
  date_paiement        date,
  montant_facture      numeric(10,2) NOT NULL,
  montant_paye         numeric(10,2) NOT NULL,
  montant_impaye       numeric(10,2) NOT NULL,
  delai_paiement_jours integer,
  statut               varchar(50),
  anomaly_score        double precision CHECK (anomaly_score BETWEEN -1 AND 1),
  anomaly_raison       text,
  valide_du            timestamptz NOT NULL,
  object_version_key   bigint NOT NULL,
  source_line          bigint NOT NULL,
  UNIQUE (etablissement_key, facture_id),
  CONSTRAINT montant_impaye_exact CHECK (montant_impaye = montant_facture - montant_paye),
  CONSTRAINT paiement_apres_facture CHECK (date_paiement IS NULL OR date_paiement >= date_facture)
);
ALTER SEQUENCE dw.facture_key_seq OWNED BY dw.fact_facturation.facture_key;
CREATE INDEX idx_fact_patient ON dw.fact_facturation (patient_key);
CREATE INDEX idx_fact_etablissement ON dw.fact_facturation (etablissement_key);
CREATE INDEX idx_fact_date ON dw.fact_facturation (date_key);
CREATE INDEX idx_fact_service ON dw.fact_facturation (service_key);
CREATE INDEX idx_fact_impaye ON dw.fact_facturation (montant_impaye) WHERE montant_impaye > 0;
-- credit notes that are not settled
CREATE INDEX idx_fact_avoir ON dw.fact_facturation (montant_impaye) WHERE montant_impaye < 0;

-- The states that a newer one replaced, valid in [valide_du, valide_au): from the version that first showed the state to
-- the one that first showed the next.
CREATE TABLE dw.hist_facturation (
  facture_key          bigint NOT NULL,
  facture_id           varchar(50) COLLATE "C" NOT NULL,
  patient_key          integer NOT NULL REFERENCES dw.dim_patient,
  etablissement_key    integer NOT NULL REFERENCES dw.dim_etablissement,
  service_key          integer NOT NULL REFERENCES dw.dim_service,
  date_facture         date NOT NULL,
  date_paiement        date,
  montant_facture      numeric(10,2) NOT NULL,
  montant_paye         numeric(10,2) NOT NULL,
  montant_impaye       numeric(10,2) NOT NULL,
  delai_paiement_jours integer,
  statut               varchar(50),
  valide_du            timestamptz NOT NULL,
  valide_au            timestamptz NOT NULL,
  object_version_key   bigint NOT NULL,
  source_line          bigint NOT NULL,
  closing_version_key  bigint NOT NULL,
  PRIMARY KEY (facture_key, object_version_key),
  CONSTRAINT validite_ordonnee CHECK (valide_du <= valide_au),
  CHECK (montant_impaye = montant_facture - montant_paye)
);
CREATE INDEX idx_hist_validite ON dw.hist_facturation (valide_au);

-- Which invoices each loaded version showed, and on which line: three parallel arrays, one row per version. With them the
-- history is exact in any order of arrival, without a row written for an invoice that did not change.
CREATE TABLE dw.observation (
  object_version_key   bigint PRIMARY KEY REFERENCES audit.object_version,
  etablissement_keys   integer[] NOT NULL,
  facture_keys         bigint[] NOT NULL,
  source_lines         integer[] NOT NULL
);
