// The evaluation on a world of one function, one bucket and one key: what it finds, and that it finds it.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { requests } from './calls.mjs'
import { examine } from './evaluate.mjs'
import { planned } from './planned.mjs'

const ACCOUNT = '123456789012'
const ROLE = `arn:aws:iam::${ACCOUNT}:role/fonderie-prod-load-lambda`
const KEY = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/1`
const SILVER = `arn:aws:s3:::fonderie-prod-${ACCOUNT}-silver`
const allow = (Sid, Action, Resource, more = {}) => ({ Sid, Effect: 'Allow', Action, Resource, ...more })
const policy = (...Statement) => JSON.stringify({ Version: '2012-10-17', Statement })

const READ = allow('ReadSilver', ['s3:GetObjectVersion'], `${SILVER}/*`)
const DECRYPT = allow('Decrypt', ['kms:Decrypt'], KEY)
const LOG = allow('Log', ['logs:CreateLogStream', 'logs:PutLogEvents'], `arn:aws:logs:eu-west-1:${ACCOUNT}:log-group:/aws/lambda/fonderie-prod-load:*`)
const TRACE = allow('Trace', ['xray:PutTelemetryRecords', 'xray:PutTraceSegments'], '*')
const ENDPOINT = allow('Ours', ['s3:GetObjectVersion'], `${SILVER}/*`, { Principal: '*' })

/** The world, in which a test may take the place of the role's statements, the bucket's, the endpoint's, or add resources. */
function world({ work = [READ, DECRYPT, LOG, TRACE], bucket = [], endpoint = ENDPOINT, inNetwork = false, more = [] } = {}) {
  const resource = (type, values) => ({ address: type, type, values })
  return [
    resource('aws_caller_identity', { account_id: ACCOUNT }),
    resource('aws_region', { name: 'eu-west-1' }),
    resource('aws_kms_alias', { name: 'alias/fonderie-prod' }),
    resource('aws_kms_key', {
      arn: KEY,
      policy: policy(allow('Account', ['kms:Decrypt', 'kms:GenerateDataKey'], '*', { Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` } })),
    }),
    resource('aws_iam_role', {
      arn: ROLE,
      name: 'fonderie-prod-load-lambda',
      assume_role_policy: policy({ Sid: 'Lambda', Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }),
    }),
    resource('aws_iam_role_policy', { role: 'fonderie-prod-load-lambda', policy: policy(...work) }),
    resource('aws_lambda_function', {
      function_name: 'fonderie-prod-load',
      role: ROLE,
      vpc_config: inNetwork ? [{ subnet_ids: ['a'] }] : [],
    }),
    resource('aws_s3_bucket', { bucket: `fonderie-prod-${ACCOUNT}-silver` }),
    resource('aws_s3_bucket_server_side_encryption_configuration', {
      bucket: `fonderie-prod-${ACCOUNT}-silver`,
      rule: [{ apply_server_side_encryption_by_default: [{ kms_master_key_id: KEY }] }],
    }),
    ...(bucket.length > 0 ? [resource('aws_s3_bucket_policy', { bucket: `fonderie-prod-${ACCOUNT}-silver`, policy: policy(...bucket) })] : []),
    ...(inNetwork && endpoint
      ? [resource('aws_vpc_endpoint', { service_name: 'com.amazonaws.eu-west-1.s3', policy: policy(endpoint) })]
      : []),
    ...more,
  ]
}

/** A line as the recorder writes it, in LocalStack's names. */
const call = (operation, parameters = {}, more = {}) =>
  JSON.stringify({
    service: 's3',
    operation,
    role: 'arn:aws:iam::000000000000:role/fonderie-local-load-lambda',
    service_principal: null,
    source_arn: null,
    parameters: { Bucket: 'fonderie-local-000000000000-silver', Key: 'facturation/a.parquet', ...parameters },
    status: 200,
    ...more,
  })
const PINNED = call('GetObject', { VersionId: 'v' })

const UNNEEDED = [{ holder: 'key', id: 'Account', actions: ['kms:GenerateDataKey'], reason: 'nobody writes here', source: 'this test' }]
const found = (resources, lines = [PINNED], { unneeded = UNNEEDED, mustBeDenied = () => [] } = {}) =>
  examine(resources, lines, { unneeded, mustBeDenied })

test('what happens is allowed, with the statement that allows it and the calls that it implies', async () => {
  const { faults, calls } = await found(world())
  assert.deepEqual(faults, [])
  const of = action => calls.filter(row => row[1] === action).map(([who, , by, origin]) => [who, by, origin])
  assert.deepEqual(of('s3:GetObjectVersion'), [['load-lambda', 'ReadSilver', 'recorded']])
  assert.deepEqual(of('kms:Decrypt'), [['load-lambda', 'Decrypt + key: Account', 'S3 decrypts what is read from a bucket with a key']])
})

test('a call that no statement allows is a fault, recorded or implied', async () => {
  const { faults } = await found(world({ work: [READ, LOG, TRACE] }))
  assert.equal(faults.length, 2)
  assert.match(faults[0], /load-lambda kms:Decrypt on .* is ImplicitlyDenied \(S3 decrypts/)
  assert.match(faults[1], /key: Account allows kms:Decrypt, which no call needs/)
  const unpinned = await found(world(), [PINNED, call('GetObject')])
  assert.match(unpinned.faults.join(), /s3:GetObject on .*silver\/facturation\/a.parquet is ImplicitlyDenied \(recorded\)/)
})

test('an object that is not there asks for the right to list', async () => {
  const missing = call('GetObject', { VersionId: 'v' }, { status: 404 })
  assert.match((await found(world(), [missing])).faults.join(), /s3:ListBucket on .*silver is ImplicitlyDenied/)
  const listing = [READ, DECRYPT, LOG, TRACE, allow('Missing', ['s3:ListBucket'], SILVER)]
  assert.deepEqual((await found(world({ work: listing }), [missing])).faults, [])
})

test('a right that no call needs is a fault, unless it is listed with a reason', async () => {
  const work = [READ, DECRYPT, LOG, TRACE, allow('Delete', ['s3:DeleteObject'], `${SILVER}/*`)]
  assert.deepEqual((await found(world({ work }))).faults, ['fonderie-prod-load-lambda: Delete allows s3:DeleteObject, which no call needs'])
  const reason = { holder: '*-lambda', id: 'Delete', actions: ['s3:DeleteObject'], reason: 'by hand', source: 'this test' }
  const { faults, excused } = await found(world({ work }), [PINNED], { unneeded: [...UNNEEDED, reason] })
  assert.deepEqual(faults, [])
  assert.ok(excused.some(row => row[0] === 'fonderie-prod-load-lambda: Delete' && row[2] === 'by hand'))
  assert.deepEqual((await found(world(), [PINNED], { unneeded: [...UNNEEDED, reason] })).faults, [
    '*-lambda: Delete is listed in unneeded.mjs, and no policy has it',
  ])
})

test('two statements that allow the same are none of them needed', async () => {
  const { faults } = await found(world({ work: [READ, { ...READ, Sid: 'Again' }, DECRYPT, LOG, TRACE] }))
  assert.deepEqual(faults.map(fault => fault.split(' allows')[0]), ['fonderie-prod-load-lambda: ReadSilver', 'fonderie-prod-load-lambda: Again'])
})

test("a function in the network needs an endpoint, and the endpoint's policy", async () => {
  const ec2 = ['AssignPrivateIpAddresses', 'CreateNetworkInterface', 'DeleteNetworkInterface', 'DescribeNetworkInterfaces', 'DescribeSubnets', 'UnassignPrivateIpAddresses']
  const work = [READ, DECRYPT, LOG, TRACE, allow('Network', ec2.map(action => `ec2:${action}`), '*')]
  assert.deepEqual((await found(world({ work, inNetwork: true }))).faults, [])
  assert.match((await found(world({ work, inNetwork: true, endpoint: null }))).faults.join(), /GetObjectVersion on .* is NoWay/)
  const narrow = { ...ENDPOINT, Resource: 'arn:aws:s3:::other/*' }
  assert.match((await found(world({ work, inNetwork: true, endpoint: narrow }))).faults.join(), /GetObjectVersion on .* is ImplicitlyDenied/)
})

test("a bucket's policy denies what a role may", async () => {
  const condition = { StringNotEquals: { 's3:x-amz-server-side-encryption-aws-kms-key-id': KEY } }
  const foreign = { Sid: 'Foreign', Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: `${SILVER}/*`, Condition: condition }
  const work = [READ, DECRYPT, LOG, TRACE, allow('Write', ['s3:PutObject'], `${SILVER}/*`), allow('Encrypt', ['kms:GenerateDataKey'], KEY)]
  const put = key => call('PutObject', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: key })
  const own = await found(world({ work, bucket: [foreign] }), [PINNED, put(KEY)], { unneeded: [] })
  assert.deepEqual(own.faults, ['bucket silver: Foreign denies no call that must be denied'])
  const other = await found(world({ work, bucket: [foreign] }), [PINNED, put('arn:aws:kms:eu-west-1:999999999999:key/2')], { unneeded: [] })
  assert.match(other.faults.join(), /s3:PutObject on .* is ExplicitlyDenied by bucket silver: Foreign/)
})

test('a call that must be denied and is not is a fault', async () => {
  const mustBeDenied = () => [{ what: 'load reads silver', request: { principal: ROLE, action: 's3:GetObjectVersion', resource: `${SILVER}/a`, context: {} }, result: 'Denied' }]
  assert.deepEqual((await found(world(), [PINNED], { mustBeDenied })).faults, ['must be denied, and is Allowed: load reads silver'])
})

test("an encryption's context decides, whatever the name of its key", async () => {
  const logs = {
    type: 'aws_cloudwatch_log_group',
    values: { name: '/aws/lambda/fonderie-prod-load', arn: 'x', kms_key_id: KEY },
  }
  const { faults } = await found(world({ more: [logs] }))
  assert.equal(faults.filter(fault => fault.includes('logs.eu-west-1.amazonaws.com')).length, 7)
})

test('an operation without a rule, and a role that is not planned, end the evaluation', async () => {
  await assert.rejects(found(world(), [call('DeleteObject')]), /no rule for the operation s3:DeleteObject/)
  await assert.rejects(found(world(), [call('GetObject', {}, { role: 'arn:aws:iam::000000000000:role/x' })]), /is not planned/)
})

test('a copy reads its source, encoded as in a URL, and writes its destination', () => {
  const source = 'fonderie-local-000000000000-silver/facturation/%C3%A9t%C3%A9%2B1.csv?versionId=v'
  const copy = call('CopyObject', { Key: 'unknown/x', CopySource: source })
  const asked = requests(copy, planned(world())).map(({ action, resource }) => [action, resource])
  assert.deepEqual(asked, [
    ['s3:GetObjectVersion', `${SILVER}/facturation/été+1.csv`],
    ['s3:PutObject', `${SILVER}/unknown/x`],
  ])
})
