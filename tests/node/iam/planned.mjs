// An environment as an apply would make it: its roles, functions, what is encrypted with which key, and every policy by what it belongs to.

/** Reads Terraform's resources: `{address, type, values}`, each with an ARN of its own. */
export function planned(resources) {
  const of = type => resources.filter(resource => resource.type === type)
  const account = of('aws_caller_identity')[0].values.account_id
  const region = of('aws_region')[0].values.name
  const name = of('aws_kms_alias')[0].values.name.replace('alias/', '')

  const functions = of('aws_lambda_function').map(({ values }) => ({
    arn: `arn:aws:lambda:${region}:${account}:function:${values.function_name}`,
    name: values.function_name,
    role: values.role,
    key: values.kms_key_arn,
    inNetwork: (values.vpc_config ?? []).length > 0,
  }))
  const roles = new Map(
    of('aws_iam_role').map(({ values }) => [
      values.arn,
      {
        arn: values.arn,
        name: values.name,
        trust: JSON.parse(values.assume_role_policy),
        policies: of('aws_iam_role_policy')
          .filter(policy => policy.values.role === values.name)
          .map(policy => ({ name: values.name, policy: JSON.parse(policy.values.policy) })),
        function: functions.find(found => found.role === values.arn),
      },
    ]),
  )
  const machines = of('aws_sfn_state_machine').map(({ values }) => ({
    arn: values.arn,
    name: values.name,
    role: values.role_arn,
    definition: JSON.parse(values.definition),
  }))

  const keyPolicy = of('aws_kms_key')[0]
  const key = { arn: keyPolicy.values.arn, policy: JSON.parse(keyPolicy.values.policy) }
  const encryption = of('aws_s3_bucket_server_side_encryption_configuration')
  const buckets = of('aws_s3_bucket').map(({ values }) => {
    const rule = encryption.find(found => found.values.bucket === values.bucket)
    return {
      arn: `arn:aws:s3:::${values.bucket}`,
      name: values.bucket,
      key: rule?.values.rule[0].apply_server_side_encryption_by_default[0].kms_master_key_id || undefined,
    }
  })
  const queues = of('aws_sqs_queue').map(({ values }) => ({ arn: values.arn, name: values.name, key: values.kms_master_key_id || undefined }))
  const topics = of('aws_sns_topic').map(({ values }) => ({ arn: values.arn, name: values.name, key: values.kms_master_key_id || undefined }))
  const secrets = [
    ...of('aws_secretsmanager_secret').map(({ values }) => ({ arn: values.arn, name: values.name, key: values.kms_key_id || undefined })),
    // RDS makes the master's and names it itself; elsewhere it has the environment's name.
    ...of('aws_db_instance')
      .flatMap(({ values }) => values.master_user_secret ?? [])
      .map(secret => ({ arn: secret.secret_arn, name: `${name}-master`, key: key.arn })),
  ]

  const policies = new Map([[key.arn, { holder: 'key', policy: key.policy }]])
  for (const bucket of buckets) {
    const found = of('aws_s3_bucket_policy').find(({ values }) => values.bucket === bucket.name)
    if (found) policies.set(bucket.arn, { holder: `bucket ${role(bucket.name, name, account)}`, policy: JSON.parse(found.values.policy) })
  }
  for (const queue of of('aws_sqs_queue')) {
    if (queue.values.policy) {
      policies.set(queue.values.arn, { holder: `queue ${role(queue.values.name, name, account)}`, policy: JSON.parse(queue.values.policy) })
    }
  }
  for (const { values } of of('aws_sns_topic_policy')) {
    const topic = topics.find(found => found.arn === values.arn)
    policies.set(values.arn, { holder: `topic ${role(topic?.name ?? values.arn, name, account)}`, policy: JSON.parse(values.policy) })
  }
  for (const called of functions) {
    const permissions = of('aws_lambda_permission').filter(({ values }) => [called.name, called.arn].includes(values.function_name))
    if (permissions.length > 0) {
      policies.set(called.arn, {
        holder: `function ${role(called.name, name, account)}`,
        policy: { Version: '2012-10-17', Statement: permissions.map(({ values }) => permission(values, called)) },
      })
    }
  }
  const endpoints = new Map(
    of('aws_vpc_endpoint')
      .filter(({ values }) => values.policy)
      .map(({ values }) => {
        const service = values.service_name.split('.').at(-1)
        return [service, { name: `endpoint ${service}`, policy: JSON.parse(values.policy) }]
      }),
  )
  return { name, account, region, roles, functions, machines, key, buckets, queues, topics, secrets, policies, endpoints, of }
}

/** Every statement of every policy: what it hangs on, its name, its effect and its actions. */
export function statements(environment) {
  const found = []
  const add = (holder, policy) =>
    policy.Statement.forEach((statement, index) =>
      found.push({ holder, id: statement.Sid ?? `${index + 1}`, effect: statement.Effect, actions: [statement.Action].flat() }),
    )
  for (const role of environment.roles.values()) {
    add(`trust ${role.name}`, role.trust)
    for (const { policy } of role.policies) add(role.name, policy)
  }
  for (const { holder, policy } of environment.policies.values()) add(holder, policy)
  for (const { name, policy } of environment.endpoints.values()) add(name, policy)
  return found
}

/** What is left of a name without environment and account: `bronze` of `fonderie-prod-123456789012-bronze`. */
export function role(text, name, account) {
  return text.replace(`${name}-${account}-`, '').replace(`${name}-`, '')
}

function permission(values, called) {
  const condition = {}
  if (values.source_account) condition.StringEquals = { 'aws:SourceAccount': values.source_account }
  if (values.source_arn) condition.ArnLike = { 'aws:SourceArn': values.source_arn }
  const resource = values.qualifier ? `${called.arn}:${values.qualifier}` : called.arn
  return {
    Sid: values.statement_id,
    Effect: 'Allow',
    Principal: values.principal.endsWith('.amazonaws.com') ? { Service: values.principal } : { AWS: values.principal },
    Action: values.action,
    Resource: resource,
    ...(Object.keys(condition).length > 0 && { Condition: condition }),
  }
}
