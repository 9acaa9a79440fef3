// Rights that no recorded, implied or planned call needs, each with its reason. `source` is the code, or AWS's own page.
//
// A right that is listed here may be needed all the same in some run of the scenarios: whether a part of an upload fails, or a connection
// breaks, is a matter of time.

const GUIDE = 'https://docs.aws.amazon.com'

/** `holder` and `id` name the statement (`*` stands for anything), `actions` its rights. */
export const UNNEEDED = [
  {
    holder: '*-lambda',
    id: '*',
    actions: ['s3:AbortMultipartUpload'],
    reason: 'a writer takes back what it began when a part fails',
    source: 'shared/storage/src/writer.rs',
  },
  {
    holder: '*-lambda',
    id: '*Failures',
    actions: ['s3:GetObjectVersion'],
    reason: 'a read that breaks off goes on with the version that it began with',
    source: 'shared/storage/src/reader.rs',
  },
  {
    holder: '*-rebuild-lambda',
    id: 'ReadRuns',
    actions: ['s3:GetObjectVersion'],
    reason: 'a read that breaks off goes on with the version that it began with',
    source: 'shared/storage/src/reader.rs',
  },
  {
    holder: '*-rebuild-lambda',
    id: 'ReadKeptBundles',
    actions: ['s3:GetObject', 's3:GetObjectVersion'],
    reason: 'a run whose bundle is gone is looked up where one machine keeps copies; no scenario deletes a bundle',
    source: 'functions/rebuild/src/plan.rs',
  },
  {
    holder: '*-lambda',
    id: 'Read*',
    actions: ['s3:GetObject'],
    reason: 'one statement serves those who read what is newest and those who read what a run pinned',
    source: 'terraform/modules/pipeline/stages.tf',
  },
  {
    holder: '*-lambda',
    id: 'TellMissing*',
    actions: ['s3:ListBucket'],
    reason: 'without it, S3 answers "denied" for an object that is missing; not every object is missing in a scenario',
    source: `${GUIDE}/AmazonS3/latest/API/API_GetObject.html`,
  },
  {
    holder: 'endpoint s3',
    id: 'OurObjects',
    actions: ['s3:AbortMultipartUpload'],
    reason: 'a writer takes back what it began when a part fails',
    source: 'shared/storage/src/writer.rs',
  },
  {
    holder: 'key',
    id: 'Account',
    actions: [
      'kms:CancelKeyDeletion',
      'kms:CreateAlias',
      'kms:DeleteAlias',
      'kms:DescribeKey',
      'kms:DisableKey',
      'kms:DisableKeyRotation',
      'kms:EnableKey',
      'kms:EnableKeyRotation',
      'kms:GetKeyPolicy',
      'kms:GetKeyRotationStatus',
      'kms:ListGrants',
      'kms:ListKeyPolicies',
      'kms:ListKeyRotations',
      'kms:ListResourceTags',
      'kms:PutKeyPolicy',
      'kms:RetireGrant',
      'kms:RevokeGrant',
      'kms:RotateKeyOnDemand',
      'kms:ScheduleKeyDeletion',
      'kms:TagResource',
      'kms:UntagResource',
      'kms:UpdateAlias',
      'kms:UpdateKeyDescription',
    ],
    reason: 'who deploys manages the key, by the policy of that role',
    source: `${GUIDE}/kms/latest/developerguide/key-policy-default.html#key-policy-default-allow-administrators`,
  },
  {
    holder: 'key',
    id: 'Account',
    actions: ['kms:CreateGrant', 'kms:Encrypt', 'kms:GenerateDataKeyWithoutPlaintext', 'kms:ReEncryptFrom', 'kms:ReEncryptTo'],
    reason: 'RDS and Lambda take grants in the name of who deploys; snapshots are copied under the key',
    source: `${GUIDE}/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html`,
  },
]

/** Calls that happen, are denied, and are meant to be. `resource` is a part of the ARN. */
export const DENIED_ON_PURPOSE = [
  {
    role: '*-load-lambda',
    action: 's3:GetObject',
    resource: '-datasets/bundles/',
    reason: 'only one machine keeps copies of bundles, so that no role may read them: the code takes "denied" for "there is none"',
    source: 'functions/load/src/withdraw.rs',
  },
]
