// From a recorded call of LocalStack's to what IAM is asked in the planned environment.

import { role } from './planned.mjs'

/** The environment that LocalStack runs. */
const LOCAL = { name: 'fonderie-local', account: '000000000000' }

const object = ({ Bucket, Key }) => `arn:aws:s3:::${Bucket}/${Key}`
const bucket = ({ Bucket }) => `arn:aws:s3:::${Bucket}`
const read = call => [call.VersionId ? 's3:GetObjectVersion' : 's3:GetObject', object(call)]
const write = call => ['s3:PutObject', object(call)]

/** What a copy reads: `/bucket/key?versionId=…`, encoded as in a URL. */
function source({ CopySource }) {
  const [path, version] = CopySource.replace(/^\//, '').split('?versionId=')
  const [Bucket, ...key] = decoded(path).split('/')
  return read({ Bucket, Key: key.join('/'), VersionId: version })
}

/** A key that was decoded already may have a percent sign of its own. */
function decoded(path) {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

const of = (service, resource, ...operations) =>
  Object.fromEntries(operations.map(name => [name, (call, environment) => [[`${service}:${name}`, resource(call, environment)]]]))
const renamed = (action, resource) => (call, environment) => [[action, resource(call, environment)]]

const secret = ({ SecretId }, { secrets }) => {
  const name = SecretId.split(':secret:').at(-1).replace(/-[A-Za-z0-9]{6}$/, '')
  return secrets.find(found => found.name === name || found.arn === SecretId)?.arn ?? `unknown secret ${SecretId}`
}
const queue = ({ QueueUrl }, { queues }) => {
  const name = QueueUrl.split('/').at(-1)
  return queues.find(found => found.name === name)?.arn ?? `unknown queue ${QueueUrl}`
}
const machine = ({ stateMachineArn }) => stateMachineArn
const execution = ({ executionArn }) => executionArn

/** The actions, each with its resource, that AWS asks IAM for an operation. */
const OPERATIONS = {
  s3: {
    GetObject: call => [read(call)],
    HeadObject: call => [read(call)],
    PutObject: call => [write(call)],
    CreateMultipartUpload: call => [write(call)],
    UploadPart: call => [write(call)],
    CompleteMultipartUpload: call => [write(call)],
    AbortMultipartUpload: renamed('s3:AbortMultipartUpload', object),
    ListParts: renamed('s3:ListMultipartUploadParts', object),
    CopyObject: call => [source(call), write(call)],
    UploadPartCopy: call => [source(call), write(call)],
    HeadBucket: renamed('s3:ListBucket', bucket),
    ListObjects: renamed('s3:ListBucket', bucket),
    ListObjectsV2: renamed('s3:ListBucket', bucket),
    ListObjectVersions: renamed('s3:ListBucketVersions', bucket),
  },
  secretsmanager: of('secretsmanager', secret, 'DescribeSecret', 'GetSecretValue', 'PutSecretValue', 'UpdateSecretVersionStage'),
  sns: of('sns', ({ TopicArn }) => TopicArn, 'Publish'),
  sqs: {
    ...of('sqs', queue, 'ChangeMessageVisibility', 'DeleteMessage', 'GetQueueAttributes', 'GetQueueUrl', 'ReceiveMessage', 'SendMessage'),
    ChangeMessageVisibilityBatch: renamed('sqs:ChangeMessageVisibility', queue),
    DeleteMessageBatch: renamed('sqs:DeleteMessage', queue),
    SendMessageBatch: renamed('sqs:SendMessage', queue),
  },
  stepfunctions: {
    ...of('states', machine, 'StartExecution'),
    ...of('states', execution, 'DescribeExecution', 'StopExecution', 'RedriveExecution'),
    ...of('states', ({ mapRunArn }) => mapRunArn, 'DescribeMapRun'),
  },
  lambda: {
    Invoke: ({ FunctionName, Qualifier }, { functions }) => {
      const called = functions.find(({ arn, name }) => FunctionName === name || `${FunctionName}:`.startsWith(`${arn}:`))
      const resource = FunctionName.startsWith('arn:') ? FunctionName : called?.arn
      return [['lambda:InvokeFunction', Qualifier && !resource.endsWith(`:${Qualifier}`) ? `${resource}:${Qualifier}` : resource]]
    },
  },
}

/** LocalStack writes each function's log by itself, with calls of its own; what Lambda does is in `services.mjs`. */
const OF_LOCALSTACK = { logs: ['CreateLogGroup', 'CreateLogStream', 'PutLogEvents'] }

/** The requests of a recorded call, in the names of the planned environment. */
export function requests(line, environment) {
  const here = text => text.replaceAll(LOCAL.name, environment.name).replaceAll(LOCAL.account, environment.account)
  const call = JSON.parse(here(line))
  if (OF_LOCALSTACK[call.service]?.includes(call.operation)) return []
  const parameters = call.parameters
  if (call.operation === 'AssumeRole') return [assumed(call, environment)]

  const actions = OPERATIONS[call.service]?.[call.operation]
  if (!actions) throw new Error(`there is no rule for the operation ${call.service}:${call.operation}, which ${call.role ?? call.service_principal} used`)
  const caller = environment.roles.get(call.role)
  if (call.role && !caller) throw new Error(`${call.role} is not planned`)
  // What Lambda does in a function's role (it takes messages) comes from Lambda, not from the function.
  const ofCode = caller?.function && !call.service_principal
  return actions(parameters, environment).map(([action, resource]) => ({
    principal: call.role ?? `${call.service_principal}.amazonaws.com`,
    action,
    resource,
    context: {
      ...(ofCode && { 'lambda:SourceFunctionArn': caller.function.arn }),
      ...(call.source_arn && { 'aws:SourceArn': call.source_arn, 'aws:SourceAccount': environment.account }),
      ...encryption(action, parameters),
    },
    endpoint: ofCode && caller.function.inNetwork ? action.split(':')[0] : undefined,
    origin: 'recorded',
    status: call.status,
  }))
}

/** What a writer says of an object's encryption. */
function encryption(action, { ServerSideEncryption, SSEKMSKeyId }) {
  return {
    ...(action === 's3:PutObject' && ServerSideEncryption && { 's3:x-amz-server-side-encryption': ServerSideEncryption }),
    ...(action === 's3:PutObject' && SSEKMSKeyId && { 's3:x-amz-server-side-encryption-aws-kms-key-id': SSEKMSKeyId }),
  }
}

/** LocalStack does not say for which machine or schedule a service takes a role; AWS does. */
function assumed(call, environment) {
  const machine = environment.machines.find(found => found.role === call.parameters.RoleArn)
  const source = call.source_arn ?? machine?.arn
  return {
    principal: `${call.service_principal}.amazonaws.com`,
    action: 'sts:AssumeRole',
    resource: call.parameters.RoleArn,
    trust: true,
    context: { 'aws:SourceAccount': environment.account, ...(source && { 'aws:SourceArn': source }) },
    origin: 'recorded',
  }
}

/** A role's or a resource's name for the table. */
export function short(arn, environment) {
  return role(arn.split(/:::|[:/](?=[^:/]*$)/).at(-1), environment.name, environment.account)
}
