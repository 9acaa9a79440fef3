// The calls that another call implies: AWS makes them in the caller's name, and LocalStack does not.

const GUIDE = 'https://docs.aws.amazon.com'

/** `{rule, source, of}`: `of` returns the implied requests of a request, or nothing. */
export const IMPLIED = [
  {
    rule: 'S3 decrypts what is read from a bucket with a key',
    source: `${GUIDE}/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms`,
    of: (request, environment) =>
      /^s3:GetObject(Version)?$/.test(request.action) ? withKey(['kms:Decrypt'], 's3', bucketOf(request, environment), request, environment) : [],
  },
  {
    rule: 'S3 encrypts what is written to a bucket with a key, and reads the parts of a large object',
    source: `${GUIDE}/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions`,
    of: (request, environment) =>
      request.action === 's3:PutObject'
        ? withKey(['kms:GenerateDataKey', 'kms:Decrypt'], 's3', bucketOf(request, environment), request, environment)
        : [],
  },
  {
    rule: 'S3 says that an object is missing to whoever may list the bucket; to others it says "denied"',
    source: `${GUIDE}/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestSyntax`,
    of: (request, environment) =>
      /^s3:GetObject(Version)?$/.test(request.action) && request.status === 404
        ? [{ ...request, action: 's3:ListBucket', resource: bucketOf(request, environment)?.arn ?? request.resource.split('/')[0] }]
        : [],
  },
  {
    rule: "Secrets Manager decrypts a secret's value",
    source: `${GUIDE}/secretsmanager/latest/userguide/security-encryption.html#security-encryption-authz`,
    of: (request, environment) =>
      request.action === 'secretsmanager:GetSecretValue'
        ? withKey(['kms:Decrypt'], 'secretsmanager', secretOf(request, environment), request, environment)
        : [],
  },
  {
    rule: "Secrets Manager encrypts a secret's value",
    source: `${GUIDE}/secretsmanager/latest/userguide/security-encryption.html#security-encryption-authz`,
    of: (request, environment) =>
      request.action === 'secretsmanager:PutSecretValue'
        ? withKey(['kms:GenerateDataKey', 'kms:Decrypt'], 'secretsmanager', secretOf(request, environment), request, environment)
        : [],
  },
  {
    rule: 'SNS encrypts a message',
    source: `${GUIDE}/sns/latest/dg/sns-key-management.html#sns-what-permissions-for-sse`,
    of: (request, environment) =>
      request.action === 'sns:Publish'
        ? withKey(['kms:GenerateDataKey', 'kms:Decrypt'], 'sns', find(environment.topics, request), request, environment)
        : [],
  },
  {
    rule: 'SQS encrypts a message',
    source: `${GUIDE}/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html#send-to-encrypted-queue`,
    of: (request, environment) =>
      request.action === 'sqs:SendMessage'
        ? withKey(['kms:GenerateDataKey', 'kms:Decrypt'], 'sqs', find(environment.queues, request), request, environment)
        : [],
  },
  {
    rule: 'SQS decrypts a message',
    source: `${GUIDE}/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html#receive-from-encrypted-queue`,
    of: (request, environment) =>
      request.action === 'sqs:ReceiveMessage'
        ? withKey(['kms:Decrypt'], 'sqs', find(environment.queues, request), request, environment)
        : [],
  },
]

/** All that a request implies. */
export function implied(request, environment) {
  return IMPLIED.flatMap(({ rule, of }) => of(request, environment).map(found => ({ ...found, origin: rule })))
}

/** The use of a resource's key. The service asks for it in the caller's name, so that it passes by no endpoint. */
function withKey(actions, service, resource, { principal, context }, { region }) {
  if (!resource?.key) return []
  // A service that calls in its own name uses the key so too.
  const ofService = principal.endsWith('.amazonaws.com')
  return actions.map(action => ({
    principal,
    action,
    resource: resource.key,
    context: {
      ...(context['aws:SourceAccount'] && { 'aws:SourceAccount': context['aws:SourceAccount'], 'aws:SourceArn': context['aws:SourceArn'] }),
      ...(!ofService && { 'kms:ViaService': `${service}.${region}.amazonaws.com` }),
      ...(service === 's3' && { 'kms:EncryptionContext:aws:s3:arn': resource.arn }),
    },
  }))
}

const find = (resources, { resource }) => resources.find(({ arn }) => arn === resource)
const bucketOf = ({ resource }, { buckets }) => buckets.find(({ arn }) => arn === resource.split('/')[0])
const secretOf = (request, { secrets }) => find(secrets, request)
