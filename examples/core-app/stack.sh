#!/usr/bin/env bash
# The stack of this folder by the aws CLI: the same that `make demo` makes by the Go SDK.
# Needs a server (`penstock serve`) and its environment: eval "$(penstock env)".
# Nothing in it is peculiar to Penstock but the length of the waits.
set -euo pipefail

name=core-app
region=${AWS_DEFAULT_REGION:-us-east-1}
export AWS_PAGER='' AWS_DEFAULT_OUTPUT=text
account=$(aws sts get-caller-identity --query Account)
bucket=$name-artifacts-$account
say() { printf '── %s\n' "$*"; }
quietly() { "$@" >/dev/null; }
# Version 1 of the CLI has a host of its own for RDS in us-east-1, over AWS_ENDPOINT_URL: so it is told once more.
rds() { aws rds ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"; }

say "VPC: six subnets, internet gateway, NAT gateway, routes"
vpc=$(aws ec2 create-vpc --cidr-block 10.10.0.0/16 --tag-specifications "ResourceType=vpc,Tags=[{Key=Name,Value=$name}]" --query Vpc.VpcId)
aws ec2 modify-vpc-attribute --vpc-id "$vpc" --enable-dns-hostnames
subnet() { # subnet THIRD-NUMBER ZONE NAME
	aws ec2 create-subnet --vpc-id "$vpc" --cidr-block "10.10.$1.0/24" --availability-zone "$region$2" \
		--tag-specifications "ResourceType=subnet,Tags=[{Key=Name,Value=$name-$3}]" --query Subnet.SubnetId
}
public1=$(subnet 0 a public-1)     public2=$(subnet 1 b public-2)
private1=$(subnet 10 a private-1)  private2=$(subnet 11 b private-2)
database1=$(subnet 20 a database-1) database2=$(subnet 21 b database-2)

gateway=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId)
aws ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
address=$(aws ec2 allocate-address --domain vpc --query AllocationId)
nat=$(aws ec2 create-nat-gateway --subnet-id "$public1" --allocation-id "$address" --query NatGateway.NatGatewayId)
aws ec2 wait nat-gateway-available --nat-gateway-ids "$nat"

routes() { # routes NAME "OPTION VALUE of the default route, or nothing" SUBNET...
	local table subnet option=$2
	table=$(aws ec2 create-route-table --vpc-id "$vpc" --tag-specifications "ResourceType=route-table,Tags=[{Key=Name,Value=$name-$1}]" --query RouteTable.RouteTableId)
	# shellcheck disable=SC2086 # option and value are two words
	[ -z "$option" ] || quietly aws ec2 create-route --route-table-id "$table" --destination-cidr-block 0.0.0.0/0 $option
	for subnet in "${@:3}"; do
		quietly aws ec2 associate-route-table --route-table-id "$table" --subnet-id "$subnet"
	done
}
routes public "--gateway-id $gateway" "$public1" "$public2"
routes private "--nat-gateway-id $nat" "$private1" "$private2"
routes database "" "$database1" "$database2"

say "security groups: load balancer ← world, tasks and builds ← load balancer, database ← tasks and builds"
group() { # group KIND PORT SOURCE-OPTION SOURCE
	local id
	id=$(aws ec2 create-security-group --vpc-id "$vpc" --group-name "$name-$1" --description "$name $1" --query GroupId)
	quietly aws ec2 authorize-security-group-ingress --group-id "$id" --protocol tcp --port "$2" "$3" "$4"
	echo "$id"
}
balancer_group=$(group balancer 80 --cidr 0.0.0.0/0)
app_group=$(group app 8080 --source-group "$balancer_group")
database_group=$(group database 5432 --source-group "$app_group")

say "PostgreSQL in the database subnets, its connection string in a secret"
quietly rds create-db-subnet-group --db-subnet-group-name $name --db-subnet-group-description $name --subnet-ids "$database1" "$database2"
password=$(aws secretsmanager get-random-password --exclude-punctuation --password-length 26 --query RandomPassword)
quietly rds create-db-instance --db-instance-identifier $name --db-instance-class db.t3.micro --engine postgres --allocated-storage 20 \
	--master-username app --master-user-password "$password" --db-name app \
	--db-subnet-group-name $name --vpc-security-group-ids "$database_group"
rds wait db-instance-available --db-instance-identifier $name
host=$(rds describe-db-instances --db-instance-identifier $name --query 'DBInstances[0].Endpoint.Address')
secret=$(aws secretsmanager create-secret --name $name/database --secret-string "postgresql://app:$password@$host:5432/app" --query ARN)

say "roles with least privilege: pipeline, build, task execution, event rule"
in_region() { echo "arn:aws:$1:$region:$account:$2"; }
execution_role=arn:aws:iam::$account:role/$name-execution
allow() { # allow "ACTION ..." RESOURCE...: one statement
	jq -cn --arg actions "$1" '{Effect: "Allow", Action: ($actions | split(" ")), Resource: $ARGS.positional}' --args "${@:2}"
}
role() { # role KIND SERVICE, statements on stdin; prints the ARN
	local trust policy
	trust=$(jq -cn --arg service "$2" '{Version: "2012-10-17", Statement: [{Effect: "Allow", Principal: {Service: $service}, Action: "sts:AssumeRole"}]}')
	policy=$(jq -cs '{Version: "2012-10-17", Statement: .}')
	aws iam create-role --role-name "$name-$1" --assume-role-policy-document "$trust" --query Role.Arn
	aws iam put-role-policy --role-name "$name-$1" --policy-name $name --policy-document "$policy"
}
pipeline_role=$({
	allow "codecommit:GetBranch codecommit:GetCommit codecommit:UploadArchive codecommit:GetUploadArchiveStatus codecommit:CancelUploadArchive" "$(in_region codecommit $name)"
	allow "s3:GetObject s3:GetObjectVersion s3:PutObject" "arn:aws:s3:::$bucket/*"
	allow "codebuild:StartBuild codebuild:BatchGetBuilds codebuild:StopBuild" "$(in_region codebuild project/$name)"
	allow "ecs:DescribeTaskDefinition ecs:RegisterTaskDefinition" "*"
	allow "ecs:DescribeServices ecs:UpdateService" "$(in_region ecs service/$name/$name)"
	allow "iam:PassRole" "$execution_role"
} | role pipeline codepipeline.amazonaws.com)
build_role=$({
	allow "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents" "$(in_region logs log-group:/aws/codebuild/$name)" "$(in_region logs log-group:/aws/codebuild/$name:*)"
	allow "s3:GetObject s3:GetObjectVersion s3:PutObject" "arn:aws:s3:::$bucket/*"
	allow "secretsmanager:GetSecretValue" "$secret"
	allow "ecr:GetAuthorizationToken" "*"
	allow "ecr:BatchCheckLayerAvailability ecr:InitiateLayerUpload ecr:UploadLayerPart ecr:CompleteLayerUpload ecr:PutImage ecr:BatchGetImage ecr:GetDownloadUrlForLayer" "$(in_region ecr repository/$name)"
	allow "ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces ec2:DeleteNetworkInterface ec2:DescribeSubnets ec2:DescribeSecurityGroups ec2:DescribeVpcs ec2:DescribeDhcpOptions" "*"
	allow "ec2:CreateNetworkInterfacePermission" "$(in_region ec2 'network-interface/*')"
} | role build codebuild.amazonaws.com)
quietly role execution ecs-tasks.amazonaws.com < <(
	allow "ecr:GetAuthorizationToken" "*"
	allow "ecr:BatchCheckLayerAvailability ecr:GetDownloadUrlForLayer ecr:BatchGetImage" "$(in_region ecr repository/$name)"
	allow "secretsmanager:GetSecretValue" "$secret"
	allow "logs:CreateLogStream logs:PutLogEvents" "$(in_region logs log-group:/ecs/$name:*)"
)
event_role=$(allow "codepipeline:StartPipelineExecution" "$(in_region codepipeline $name)" | role events events.amazonaws.com)

say "repositories: CodeCommit and ECR; artifact bucket; log group"
image=$(aws ecr create-repository --repository-name $name --query repository.repositoryUri)
quietly aws codecommit create-repository --repository-name $name
aws s3api create-bucket --bucket "$bucket" >/dev/null
aws s3api put-bucket-versioning --bucket "$bucket" --versioning-configuration Status=Enabled
aws logs create-log-group --log-group-name /ecs/$name

say "load balancer, target group with health check, listener"
balancer=$(aws elbv2 create-load-balancer --name $name --subnets "$public1" "$public2" --security-groups "$balancer_group" --query 'LoadBalancers[0].LoadBalancerArn')
targets=$(aws elbv2 create-target-group --name $name --vpc-id "$vpc" --target-type ip --protocol HTTP --port 8080 \
	--health-check-path /healthz --health-check-interval-seconds 5 --health-check-timeout-seconds 3 \
	--healthy-threshold-count 2 --unhealthy-threshold-count 2 --query 'TargetGroups[0].TargetGroupArn')
quietly aws elbv2 modify-target-group-attributes --target-group-arn "$targets" --attributes Key=deregistration_delay.timeout_seconds,Value=15
quietly aws elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 80 --default-actions "Type=forward,TargetGroupArn=$targets"

say "ECS cluster, task definition, service in the private subnets (no tasks until the first image exists)"
quietly aws ecs create-cluster --cluster-name $name
quietly aws ecs register-task-definition --family $name --network-mode awsvpc --requires-compatibilities FARGATE --cpu 256 --memory 512 \
	--execution-role-arn "$execution_role" --container-definitions "$(jq -cn --arg image "$image:none-yet" --arg secret "$secret" --arg name $name --arg region "$region" '[{
		name: "web", image: $image, essential: true, portMappings: [{containerPort: 8080, protocol: "tcp"}],
		secrets: [{name: "DATABASE_URL", valueFrom: $secret}],
		logConfiguration: {logDriver: "awslogs", options: {"awslogs-group": "/ecs/\($name)", "awslogs-region": $region, "awslogs-stream-prefix": "web"}}
	}]')"
quietly aws ecs create-service --cluster $name --service-name $name --task-definition $name --launch-type FARGATE --desired-count 0 \
	--load-balancers "targetGroupArn=$targets,containerName=web,containerPort=8080" \
	--network-configuration "awsvpcConfiguration={subnets=[$private1,$private2],securityGroups=[$app_group],assignPublicIp=DISABLED}" \
	--deployment-configuration 'minimumHealthyPercent=100,maximumPercent=200,deploymentCircuitBreaker={enable=true,rollback=true}'

say "build project in the private subnets"
quietly aws codebuild create-project --name $name --service-role "$build_role" --source type=CODEPIPELINE --artifacts type=CODEPIPELINE \
	--environment "type=LINUX_CONTAINER,computeType=BUILD_GENERAL1_SMALL,image=aws/codebuild/standard:7.0,privilegedMode=true,environmentVariables=[{name=AWS_ACCOUNT_ID,value=$account},{name=REPOSITORY_NAME,value=$name}]" \
	--vpc-config "vpcId=$vpc,subnets=$private1,$private2,securityGroupIds=$app_group"

say "pipeline Source → Build → Deploy, and the rule by which a push starts it"
quietly aws codepipeline create-pipeline --pipeline "$(jq -cn --arg name $name --arg role "$pipeline_role" --arg bucket "$bucket" '
	def action(category; provider; inputs; outputs; configuration): {
		name: provider, actionTypeId: {category: category, owner: "AWS", provider: provider, version: "1"},
		inputArtifacts: inputs, outputArtifacts: outputs, configuration: configuration};
	{name: $name, roleArn: $role, artifactStore: {type: "S3", location: $bucket}, stages: [
		{name: "Source", actions: [action("Source"; "CodeCommit"; []; [{name: "source"}]; {RepositoryName: $name, BranchName: "main", PollForSourceChanges: "false"})]},
		{name: "Build", actions: [action("Build"; "CodeBuild"; [{name: "source"}]; [{name: "image"}]; {ProjectName: $name})]},
		{name: "Deploy", actions: [action("Deploy"; "ECS"; [{name: "image"}]; []; {ClusterName: $name, ServiceName: $name, FileName: "imagedefinitions.json", DeploymentTimeout: "10"})]}
	]}')"
quietly aws events put-rule --name $name-push --event-pattern "$(jq -cn --arg repository "$(in_region codecommit $name)" '{
	source: ["aws.codecommit"], "detail-type": ["CodeCommit Repository State Change"], resources: [$repository],
	detail: {event: ["referenceCreated", "referenceUpdated"], referenceType: ["branch"], referenceName: ["main"]}}')"
quietly aws events put-targets --rule $name-push --targets "Id=pipeline,Arn=$(in_region codepipeline $name),RoleArn=$event_role"

aws elbv2 wait load-balancer-available --load-balancer-arns "$balancer"
say "made. Clone URL:"
aws codecommit get-repository --repository-name $name --query repositoryMetadata.cloneUrlHttp
