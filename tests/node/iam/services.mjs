// The calls that services of AWS make by themselves: for a function, a machine, a schedule, a log group, as they are planned.

const GUIDE = 'https://docs.aws.amazon.com'

/** `{rule, source, of}`: `of` returns the requests in an environment. */
export const SERVICES = [
  {
    rule: "Lambda takes a function's role",
    source: `${GUIDE}/lambda/latest/dg/lambda-intro-execution-role.html`,
    of: ({ functions, account }) =>
      functions.map(({ arn, role }) => trusted('lambda', role, { 'aws:SourceArn': arn, 'aws:SourceAccount': account })),
  },
  {
    rule: "Lambda writes a function's log and traces",
    source: `${GUIDE}/aws-managed-policy/latest/reference/AWSLambdaBasicExecutionRole.html`,
    of: ({ functions, account, region }) =>
      functions.flatMap(({ name, role }) => {
        const stream = `arn:aws:logs:${region}:${account}:log-group:/aws/lambda/${name}:log-stream:2026`
        return [
          ...['logs:CreateLogStream', 'logs:PutLogEvents'].map(action => request(role, action, stream)),
          ...['xray:PutTelemetryRecords', 'xray:PutTraceSegments'].map(action => request(role, action, '*')),
        ]
      }),
  },
  {
    rule: "Lambda decrypts a function's environment",
    source: `${GUIDE}/lambda/latest/dg/configuration-envvars-encryption.html`,
    of: ({ functions }) =>
      functions
        .filter(({ key }) => key)
        .map(({ arn, role, key }) => request(role, 'kms:Decrypt', key, { 'kms:EncryptionContext:aws:lambda:FunctionArn': arn })),
  },
  {
    rule: 'Lambda puts a function into the network',
    source: `${GUIDE}/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html`,
    of: ({ functions, account, region }) =>
      functions
        .filter(({ inNetwork }) => inNetwork)
        .flatMap(({ role }) => [
          ...['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'].map(action => request(role, action, '*')),
          ...[
            'ec2:AssignPrivateIpAddresses',
            'ec2:CreateNetworkInterface',
            'ec2:DeleteNetworkInterface',
            'ec2:UnassignPrivateIpAddresses',
          ].map(action => request(role, action, `arn:aws:ec2:${region}:${account}:network-interface/eni-0`)),
        ]),
  },
  {
    rule: 'Lambda takes messages from a queue',
    source: `${GUIDE}/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions`,
    of: environment =>
      environment.of('aws_lambda_event_source_mapping').flatMap(({ values }) => {
        const { role } = called(values.function_name, environment)
        return ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'].map(action => request(role, action, values.event_source_arn))
      }),
  },
  {
    rule: "Step Functions takes a machine's role",
    source: `${GUIDE}/step-functions/latest/dg/procedure-create-iam-role.html#prevent-cross-service-confused-deputy`,
    of: ({ machines, account }) =>
      machines.map(({ arn, role }) => trusted('states', role, { 'aws:SourceArn': arn, 'aws:SourceAccount': account })),
  },
  {
    rule: "Step Functions delivers a machine's log",
    source: `${GUIDE}/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy`,
    of: ({ machines }) =>
      machines.flatMap(({ role }) =>
        [
          'CreateLogDelivery',
          'DeleteLogDelivery',
          'DescribeLogGroups',
          'DescribeResourcePolicies',
          'GetLogDelivery',
          'ListLogDeliveries',
          'PutResourcePolicy',
          'UpdateLogDelivery',
        ].map(action => request(role, `logs:${action}`, '*')),
      ),
  },
  {
    rule: "Step Functions writes a machine's traces",
    source: `${GUIDE}/step-functions/latest/dg/xray-iam.html`,
    of: ({ machines }) =>
      machines.flatMap(({ role }) =>
        ['GetSamplingRules', 'GetSamplingTargets', 'PutTelemetryRecords', 'PutTraceSegments'].map(action =>
          request(role, `xray:${action}`, '*'),
        ),
      ),
  },
  {
    rule: 'Step Functions calls the functions of the tasks',
    source: `${GUIDE}/step-functions/latest/dg/connect-lambda.html`,
    of: ({ machines }) =>
      machines.flatMap(({ role, definition }) =>
        tasks(definition)
          .filter(({ Resource }) => Resource.includes(':lambda:'))
          .map(({ Resource }) => request(role, 'lambda:InvokeFunction', Resource)),
      ),
  },
  {
    rule: 'Step Functions runs the children of a Distributed Map, and continues them in a redrive',
    source: `${GUIDE}/step-functions/latest/dg/iam-policies-eg-dist-map.html`,
    of: ({ machines }) =>
      machines.flatMap(({ arn, role, definition }) =>
        distributed(definition).flatMap(([name, state]) => {
          const child = `${arn.replace(':stateMachine:', ':execution:')}/${state.Label ?? name}:00000000-0000-0000-0000-000000000000`
          return [
            request(role, 'states:StartExecution', arn),
            ...['states:DescribeExecution', 'states:StopExecution', 'states:RedriveExecution'].map(action => request(role, action, child)),
          ]
        }),
      ),
  },
  {
    rule: 'Step Functions reads the items and writes the results of a Distributed Map',
    source: `${GUIDE}/step-functions/latest/dg/iam-policies-eg-dist-map.html`,
    of: environment =>
      environment.machines.flatMap(({ role, definition }) =>
        distributed(definition).flatMap(([, { ItemReader: reader, ResultWriter: writer }]) => [
          ...(reader ? [request(role, 's3:GetObject', stored(reader, environment))] : []),
          ...(writer
            ? ['s3:PutObject', 's3:GetObject', 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload'].map(action =>
                request(role, action, stored(writer, environment)),
              )
            : []),
        ]),
      ),
  },
  {
    rule: 'Step Functions follows an execution that another one waits for',
    source: `${GUIDE}/step-functions/latest/dg/connect-stepfunctions.html#sync-async-iam-policies`,
    of: ({ machines, account, region }) =>
      machines.flatMap(({ role, definition }) =>
        tasks(definition)
          .filter(({ Resource }) => /states:startExecution\.sync/.test(Resource))
          .flatMap(({ Parameters, Arguments }) => {
            const started = (Parameters ?? Arguments).StateMachineArn
            const execution = `${started.replace(':stateMachine:', ':execution:')}:run`
            return [
              request(role, 'states:StartExecution', started),
              ...['states:DescribeExecution', 'states:StopExecution'].map(action => request(role, action, execution)),
              ...['events:PutTargets', 'events:PutRule', 'events:DescribeRule'].map(action =>
                request(role, action, `arn:aws:events:${region}:${account}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule`),
              ),
            ]
          }),
      ),
  },
  {
    rule: 'Step Functions calls a service for a task',
    source: `${GUIDE}/step-functions/latest/dg/supported-services-awssdk.html`,
    of: ({ machines, account, region }) =>
      machines.flatMap(({ arn, role, definition }) =>
        tasks(definition).flatMap(({ Resource, Parameters }) => {
          if (Resource.endsWith(':aws-sdk:sfn:describeMapRun')) {
            return distributed(definition)
              .filter(([, { ResultPath }]) => Parameters['MapRunArn.$'] === `${ResultPath}.MapRunArn`)
              .map(([name, state]) => request(role, 'states:DescribeMapRun', `${arn.replace(':stateMachine:', ':mapRun:')}/${state.Label ?? name}:0`))
          }
          if (Resource.endsWith(':sns:publish')) return [request(role, 'sns:Publish', Parameters.TopicArn)]
          return []
        }),
      ),
  },
  {
    rule: 'the scheduler starts a run, or keeps a start that was lost',
    source: `${GUIDE}/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role`,
    of: environment =>
      environment.of('aws_scheduler_schedule').flatMap(({ values }) => {
        const { arn, role_arn: role, dead_letter_config: lost } = values.target[0]
        const group = `arn:aws:scheduler:${environment.region}:${environment.account}:schedule-group/${values.group_name}`
        return [
          trusted('scheduler', role, { 'aws:SourceArn': group, 'aws:SourceAccount': environment.account }),
          request(role, 'states:StartExecution', arn),
          ...lost.map(queue => request(role, 'sqs:SendMessage', queue.arn)),
          // The schedule's own input is encrypted.
          ...(values.kms_key_arn ? [request(role, 'kms:Decrypt', values.kms_key_arn)] : []),
        ]
      }),
  },
  {
    rule: 'S3 announces an upload',
    source: `${GUIDE}/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html`,
    of: environment =>
      environment.of('aws_s3_bucket_notification').flatMap(({ values }) =>
        values.queue.map(queue => ofService('s3', 'sqs:SendMessage', queue.queue_arn, `arn:aws:s3:::${values.bucket}`, environment)),
      ),
  },
  {
    rule: 'S3 delivers an access log',
    source: `${GUIDE}/AmazonS3/latest/userguide/enable-server-access-logging.html#grant-log-delivery-permissions-general`,
    of: environment =>
      environment.of('aws_s3_bucket_logging').map(({ values }) =>
        ofService('logging.s3', 's3:PutObject', `arn:aws:s3:::${values.target_bucket}/${values.target_prefix}log`, `arn:aws:s3:::${values.bucket}`, environment),
      ),
  },
  {
    rule: 'CloudWatch tells a topic of an alarm',
    source: `${GUIDE}/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services`,
    of: environment =>
      environment.of('aws_cloudwatch_metric_alarm').flatMap(({ values }) =>
        [values.alarm_actions, values.ok_actions, values.insufficient_data_actions].flatMap(actions => actions ?? []).map(topic =>
          ofService(
            'cloudwatch',
            'sns:Publish',
            topic,
            `arn:aws:cloudwatch:${environment.region}:${environment.account}:alarm:${values.alarm_name}`,
            environment,
          ),
        ),
      ),
  },
  {
    rule: 'EventBridge tells a topic of an event',
    source: `${GUIDE}/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services`,
    // To an encrypted topic it names no source.
    of: environment =>
      environment
        .of('aws_cloudwatch_event_target')
        .filter(({ values }) => values.arn.includes(':sns:'))
        .map(({ values }) => request('events.amazonaws.com', 'sns:Publish', values.arn)),
  },
  {
    rule: 'RDS tells a topic of an event',
    source: `${GUIDE}/AmazonRDS/latest/UserGuide/USER_Events.GrantingPermissions.html`,
    of: environment =>
      environment.of('aws_db_event_subscription').map(({ values }) => {
        const source = `arn:aws:rds:${environment.region}:${environment.account}:es:${values.name}`
        return ofService('events.rds', 'sns:Publish', values.sns_topic, source, environment)
      }),
  },
  {
    rule: 'AWS Budgets tells a topic of a budget',
    source: `${GUIDE}/cost-management/latest/userguide/budgets-sns-policy.html`,
    of: environment =>
      environment.of('aws_budgets_budget').flatMap(({ values }) =>
        values.notification
          .flatMap(notification => notification.subscriber_sns_topic_arns ?? [])
          .map(topic => ofService('budgets', 'sns:Publish', topic, `arn:aws:budgets::${environment.account}:budget/${values.name}`, environment)),
      ),
  },
  {
    rule: 'Secrets Manager calls the function that rotates',
    source: `${GUIDE}/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html`,
    of: environment =>
      environment.of('aws_secretsmanager_secret_rotation').map(({ values }) =>
        ofService('secretsmanager', 'lambda:InvokeFunction', values.rotation_lambda_arn, values.secret_id, environment),
      ),
  },
  {
    rule: 'CloudWatch Logs encrypts a log group',
    source: `${GUIDE}/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html#cmk-permissions`,
    of: environment =>
      environment
        .of('aws_cloudwatch_log_group')
        .filter(({ values }) => values.kms_key_id)
        .flatMap(({ values }) =>
          [
            'kms:Decrypt',
            'kms:DescribeKey',
            'kms:Encrypt',
            'kms:GenerateDataKey',
            'kms:GenerateDataKeyWithoutPlaintext',
            'kms:ReEncryptFrom',
            'kms:ReEncryptTo',
          ].map(action =>
            request(`logs.${environment.region}.amazonaws.com`, action, values.kms_key_id, {
              'kms:EncryptionContext:aws:logs:arn': `arn:aws:logs:${environment.region}:${environment.account}:log-group:${values.name}`,
            }),
          ),
        ),
  },
  {
    rule: "the network's flow log is written",
    source: `${GUIDE}/vpc/latest/userguide/flow-logs-iam-role.html`,
    of: environment =>
      environment.of('aws_flow_log').flatMap(({ values }) => {
        const group = values.log_destination
        const flow = `arn:aws:ec2:${environment.region}:${environment.account}:vpc-flow-log/fl-0`
        return [
          trusted('vpc-flow-logs', values.iam_role_arn, { 'aws:SourceAccount': environment.account, 'aws:SourceArn': flow }),
          request(values.iam_role_arn, 'logs:DescribeLogGroups', '*'),
          // AWS asks for the group's streams, whatever their names.
          request(values.iam_role_arn, 'logs:DescribeLogStreams', `${group}:log-stream:`),
          ...['logs:CreateLogStream', 'logs:PutLogEvents'].map(action => request(values.iam_role_arn, action, `${group}:log-stream:eni-0`)),
        ]
      }),
  },
  {
    rule: "RDS takes the role of its instance's figures",
    source: `${GUIDE}/AmazonRDS/latest/UserGuide/USER_Monitoring.OS.Enabling.html`,
    of: environment =>
      environment
        .of('aws_db_instance')
        .filter(({ values }) => values.monitoring_role_arn)
        .map(({ values }) => trusted('monitoring.rds', values.monitoring_role_arn, { 'aws:SourceAccount': environment.account })),
  },
]

/** All of them. */
export function services(environment) {
  return SERVICES.flatMap(({ rule, of }) => of(environment).map(found => ({ ...found, origin: rule })))
}

const request = (principal, action, resource, context = {}) => ({ principal, action, resource, context })
const trusted = (service, role, context) => ({
  ...request(`${service}.amazonaws.com`, 'sts:AssumeRole', role, context),
  trust: true,
})
const ofService = (service, action, resource, source, { account }) =>
  request(`${service}.amazonaws.com`, action, resource, { 'aws:SourceArn': source, 'aws:SourceAccount': account })
const called = (name, { functions }) => functions.find(found => name === found.name || `${name}:`.startsWith(`${found.arn}:`))

/** The states of a definition, those within its Maps and branches included, by their names. */
function states(definition) {
  return Object.entries(definition.States).flatMap(([name, state]) => [
    [name, state],
    ...[state.ItemProcessor, state.Iterator, ...(state.Branches ?? [])].filter(Boolean).flatMap(states),
  ])
}
const tasks = definition => states(definition).map(([, state]) => state).filter(({ Type }) => Type === 'Task')
const distributed = definition =>
  states(definition).filter(([, { Type, ItemProcessor }]) => Type === 'Map' && ItemProcessor.ProcessorConfig?.Mode === 'DISTRIBUTED')

/** Which list of runs a Map reads is known at run time: `admit` and `rebuild` write them to these places. */
const LISTS = { '$.run.items.key': 'backfills/run.json', '$.rebuild.items.key': 'rebuilds/run.json' }

/** An object that a Map reads or writes. */
function stored({ Parameters }, { buckets }) {
  if (Parameters.Prefix) return `arn:aws:s3:::${Parameters.Bucket}/${Parameters.Prefix}/run/SUCCEEDED_0.json`
  const key = LISTS[Parameters['Key.$']]
  if (!key) throw new Error(`where does a Map read ${JSON.stringify(Parameters)}? Name the place in LISTS`)
  return `${buckets.find(({ name }) => name.endsWith('-reports')).arn}/${key}`
}
