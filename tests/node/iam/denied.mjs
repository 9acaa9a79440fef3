// Calls that must be denied, and by what: a policy that somebody loosens fails here.

/** `{what, request, result}`: `result` is how it must be denied, where more than one way would do `Denied`. */
export function denied(environment) {
  const { account, region, name, roles, functions, buckets, queues, topics, secrets, key, machines } = environment
  const role = suffix => {
    const found = [...roles.values()].find(found => found.name === `${name}-${suffix}`)
    if (!found) throw new Error(`there is no role ${name}-${suffix}`)
    return found
  }
  const object = (bucket, path) => `arn:aws:s3:::${name}-${account}-${bucket}/${path}`
  const secret = suffix => secrets.find(found => found.name === `${name}-${suffix}`).arn
  const list = []
  const add = (what, request, result = 'Denied') => list.push({ what, request: { context: {}, ...request }, result })
  const byCode = (suffix, action, resource) => {
    const { arn, function: found } = role(`${suffix}-lambda`)
    const endpoint = found.inNetwork ? action.split(':')[0] : undefined
    return { principal: arn, action, resource, endpoint, context: { 'lambda:SourceFunctionArn': found.arn } }
  }

  // Another prefix, another bucket.
  add("load writes silver's records", byCode('load', 's3:PutObject', object('silver', 'facturation/b/run/accepted.parquet')))
  add('load reads bronze', byCode('load', 's3:GetObject', object('bronze', 'facturation/b.csv')))
  add('load reads what was refused', byCode('load', 's3:GetObject', object('quarantine', 'facturation/b/run/rejects.csv')))
  add('score writes an export', byCode('score', 's3:PutObject', object('reports', 'facturation/exports/relance.csv')))
  add('publish writes a model', byCode('publish', 's3:PutObject', object('reports', 'models/facturation/m.json')))
  add('publish writes the exports of a dataset that is not deployed', byCode('publish', 's3:PutObject', object('reports', 'nobody/exports/x.csv')))
  add('record-failure writes a refused row', byCode('record-failure', 's3:PutObject', object('quarantine', 'facturation/x.csv')))
  add('record-failure reads bronze', byCode('record-failure', 's3:GetObject', object('bronze', 'facturation/b.csv')))
  add('ingest writes bronze', byCode('ingest', 's3:PutObject', object('bronze', 'facturation/b.csv')))
  add('ingest writes silver', byCode('ingest', 's3:PutObject', object('silver', 'facturation/b')))
  add('transform writes reports', byCode('transform', 's3:PutObject', object('reports', 'facturation/report.json')))
  for (const stage of ['transform', 'validate']) {
    add(`${stage} writes the record of a failure`, byCode(stage, 's3:PutObject', object('quarantine', 'failures/run.json')))
    add(`${stage} writes an unknown file`, byCode(stage, 's3:PutObject', object('quarantine', 'unknown/run/x')))
  }
  add('validate writes bronze', byCode('validate', 's3:PutObject', object('bronze', 'facturation/b.csv')))
  add('summarize deletes a failure', byCode('summarize', 's3:DeleteObject', object('quarantine', 'failures/run.json')))
  for (const { arn, name: function_ } of functions) {
    const own = [...roles.values()].find(found => found.function?.arn === arn)
    const code = { principal: own.arn, context: { 'lambda:SourceFunctionArn': arn } }
    const through = service => (own.function.inNetwork ? service : undefined)
    add(`${function_} writes a bundle`, { ...code, action: 's3:PutObject', resource: object('datasets', 'facturation.json'), endpoint: through('s3') })
    add(`${function_} reads a bucket of somebody else's`, {
      ...code,
      action: 's3:GetObject',
      resource: 'arn:aws:s3:::somebody-elses/file',
      endpoint: through('s3'),
    })
    if (!function_.endsWith('-prepare-database')) {
      add(`${function_} reads the master's secret`, {
        ...code,
        action: 'secretsmanager:GetSecretValue',
        resource: secret('master'),
        endpoint: through('secretsmanager'),
      })
    }
    if (own.function.inNetwork) {
      add(`${function_}'s code makes a network interface`, {
        ...code,
        action: 'ec2:CreateNetworkInterface',
        resource: `arn:aws:ec2:${region}:${account}:network-interface/eni-0`,
      }, 'ExplicitlyDenied')
      add(`${function_} starts a run, to which the network has no way`, {
        ...code,
        action: 'states:StartExecution',
        resource: machines[0].arn,
        endpoint: 'states',
      }, 'NoWay')
    }
  }
  for (const { name: machine, role: owner } of machines) {
    add(`${machine} reads bronze`, { principal: owner, action: 's3:GetObject', resource: object('bronze', 'facturation/b.csv') })
    add(`${machine} changes a password`, {
      principal: owner,
      action: 'lambda:InvokeFunction',
      resource: functions.find(found => found.name === `${name}-rotate-secret`).arn,
    })
  }

  // With every right of its own, a call is stopped by the resource or on its way.
  const everything = [{ name: 'everything', policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] } }]
  const stranger = 'arn:aws:iam::999999999999:role/stranger'
  const own = role('load-lambda').arn
  const plain = { 'aws:SecureTransport': 'false' }
  for (const bucket of buckets) {
    const resource = `${bucket.arn}/key`
    add(`plain text to ${bucket.name}`, { principal: own, identity: everything, action: 's3:GetObject', resource, context: plain }, 'ExplicitlyDenied')
    add(`another account reads ${bucket.name}`, { principal: stranger, identity: everything, action: 's3:GetObject', resource })
  }
  const header = 's3:x-amz-server-side-encryption'
  const foreign = {
    "another account's key": { [header]: 'aws:kms', [`${header}-aws-kms-key-id`]: `arn:aws:kms:${region}:999999999999:key/2` },
    "the account's key of S3": { [header]: 'aws:kms' },
    'a key that the sender keeps': { [`${header}-customer-algorithm`]: 'AES256' },
  }
  for (const bucket of buckets.filter(found => found.key)) {
    for (const [what, context] of Object.entries(foreign)) {
      const put = { principal: own, identity: everything, action: 's3:PutObject', resource: `${bucket.arn}/key`, context }
      add(`an object under ${what} in ${bucket.name}`, put, 'ExplicitlyDenied')
    }
  }
  for (const queue of queues) {
    const resource = queue.arn
    add(`plain text to ${queue.name}`, { principal: own, identity: everything, action: 'sqs:SendMessage', resource, context: plain }, 'ExplicitlyDenied')
    add(`another account sends to ${queue.name}`, { principal: stranger, identity: everything, action: 'sqs:SendMessage', resource })
  }
  for (const topic of topics) {
    const resource = topic.arn
    add(`plain text to ${topic.name}`, { principal: own, identity: everything, action: 'sns:Publish', resource, context: plain }, 'ExplicitlyDenied')
    add(`another account publishes to ${topic.name}`, { principal: stranger, identity: everything, action: 'sns:Publish', resource })
  }
  add('another account decrypts', { principal: stranger, identity: everything, action: 'kms:Decrypt', resource: key.arn })
  add('S3 uses the key for another account', {
    principal: 's3.amazonaws.com',
    action: 'kms:GenerateDataKey',
    resource: key.arn,
    context: { 'aws:SourceAccount': '999999999999', 'aws:SourceArn': 'arn:aws:s3:::somebody-elses' },
  })
  add("Logs uses the key for another account's log group", {
    principal: `logs.${region}.amazonaws.com`,
    action: 'kms:Encrypt',
    resource: key.arn,
    context: { 'kms:EncryptionContext:aws:logs:arn': `arn:aws:logs:${region}:999999999999:log-group:x` },
  })
  add('another bucket announces an upload', {
    principal: 's3.amazonaws.com',
    action: 'sqs:SendMessage',
    resource: queues.find(found => found.name.endsWith('-uploads')).arn,
    context: { 'aws:SourceArn': 'arn:aws:s3:::somebody-elses', 'aws:SourceAccount': '999999999999' },
  })
  add('another secret is rotated by our function', {
    principal: 'secretsmanager.amazonaws.com',
    action: 'lambda:InvokeFunction',
    resource: functions.find(found => found.name === `${name}-rotate-secret`).arn,
    context: { 'aws:SourceArn': `arn:aws:secretsmanager:${region}:${account}:secret:another-AbCdEf`, 'aws:SourceAccount': account },
  })
  for (const { arn, name: taken, function: of } of roles.values()) {
    add(`another account takes the role ${taken}`, { principal: stranger, identity: everything, action: 'sts:AssumeRole', resource: arn, trust: true })
    if (!of) {
      const service = trustedService(roles.get(arn))
      add(`${service} takes the role ${taken} for another account`, {
        principal: service,
        action: 'sts:AssumeRole',
        resource: arn,
        trust: true,
        context: { 'aws:SourceAccount': '999999999999', 'aws:SourceArn': 'arn:aws:states:eu-west-1:999999999999:stateMachine:x' },
      })
    }
  }

  // The endpoints, with every right of its own: other people's resources, and our resources asked for by others.
  const beyond = {
    s3: ['s3:GetObject', 'arn:aws:s3:::somebody-elses/file', object('silver', 'facturation/b')],
    secretsmanager: ['secretsmanager:GetSecretValue', `arn:aws:secretsmanager:${region}:${account}:secret:another-AbCdEf`, secret('database')],
    sns: ['sns:Publish', `arn:aws:sns:${region}:${account}:another`, topics[0].arn],
  }
  for (const endpoint of environment.endpoints.keys()) {
    if (!beyond[endpoint]) throw new Error(`name what the endpoint of ${endpoint} must refuse`)
    const [action, theirs, ours] = beyond[endpoint]
    add(`the endpoint of ${endpoint} leads to another resource`, { principal: own, identity: everything, action, resource: theirs, endpoint })
    add(`the endpoint of ${endpoint} takes another account's request`, {
      // As if a policy of the resource let it in: the endpoint's own condition decides.
      principal: own,
      identity: everything,
      action,
      resource: ours,
      endpoint,
      context: { 'aws:PrincipalAccount': '999999999999' },
    })
  }
  return list
}

const trustedService = ({ trust }) => [trust.Statement[0].Principal.Service].flat()[0]
