"""Stacks that the template can make: every condition both ways, and the likely combinations."""

ACCOUNT = "arn:aws:secretsmanager:eu-west-1:123456789012:secret"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-1111-2222-3333-444455556666"

OWN_VPC = {"VpcId": "vpc-0123456789abcdef0", "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1"}
OWN_DATABASE = OWN_VPC | {"DbHost": "db.example.com", "DbSecretArn": f"{ACCOUNT}:database-AbCdEf"}
OWN_CACHE = OWN_VPC | {"RedisHost": "cache.example.com"}

SCENARIOS: dict[str, dict[str, str]] = {
    "dev": {},
    "staging": {"Stage": "staging", "AlarmEmail": "alarms@example.com", "SweepSeconds": "60"},
    "prod": {"Stage": "prod", "SnapStart": "PublishedVersions", "ArchiveRecords": "10", "MonthlyBudget": "500"},
    "try": {"CheckEligibilityConcurrency": "0", "CreateLoanConcurrency": "0", "DbInstanceClass": "db.t4g.micro"},
    "prod with a proxy": {"Stage": "prod", "UseDbProxy": "true"},
    "staging without rollback": {"Stage": "staging", "RollBackOnAlarms": "false"},
    "x86_64 and JWTs": {
        "Architecture": "x86_64",
        "JwtIssuer": "https://issuer.example.com/",
        "JwtAudience": "lending",
        "CreateLoanScope": "https://issuer.example.com/loans.write",
    },
    "cache cluster": {"Stage": "prod", "CacheMode": "cluster"},
    "cache cluster without replicas": {"CacheMode": "cluster", "CacheShards": "12", "CacheReplicas": "0"},
    "serverless cache": OWN_VPC
    | {"Stage": "prod", "CacheMode": "serverless", "RedisKeyPrefix": "lending:", "RedisDb": "3"},
    "restored": {"Stage": "prod", "DbSnapshot": "lending-before-the-accident"},
    "own VPC": OWN_VPC,
    "own VPC, with a proxy": OWN_VPC | {"UseDbProxy": "true"},
    "own database": OWN_DATABASE,
    "own database, with a key and a security group": OWN_DATABASE
    | {"DbSecretKeyArn": KEY, "DbSecurityGroupId": "sg-0123456789abcdef0", "DbPort": "3307"}
    | {"DbTlsCa": "/opt/certificates/own.pem"},
    "own database, restored in its place": OWN_DATABASE | {"DbMark": "restored-2026-11-25"},
    "own cache": OWN_CACHE,
    "own cache, shared, with an authority of its own": OWN_CACHE
    | {"RedisKeyPrefix": "lending-staging:", "RedisTlsCa": "/opt/certificates/own.pem"},
    "own cache, with a secret, a key and a security group": OWN_CACHE
    | {
        "RedisSecretArn": f"{ACCOUNT}:cache-AbCdEf",
        "RedisSecretKeyArn": KEY,
        "RedisSecurityGroupId": "sg-0123456789abcdef1",
        "RedisTls": "false",
    },
    "own everything": OWN_DATABASE | OWN_CACHE,
}
"""Parameters, by the name of the stack."""

IMPOSSIBLE = {
    "JwtIssuer needs JwtAudience": {"JwtIssuer": "https://issuer.example.com/"},
    "Scopes need JwtIssuer": {"CreateLoanScope": "loans.write"},
    "In prod, JwtIssuer needs CreateLoanScope": {
        "Stage": "prod",
        "JwtIssuer": "https://issuer.example.com/",
        "JwtAudience": "lending",
    },
    "Enter 0 for both concurrencies": {"CreateLoanConcurrency": "0"},
    "VpcId needs SubnetIds": {"VpcId": OWN_VPC["VpcId"]},
    "Your own database needs VpcId": OWN_DATABASE | {"VpcId": ""},
    "Your own database needs DbSecretArn": OWN_DATABASE | {"DbSecretArn": ""},
    "UseDbProxy is for a new database": OWN_DATABASE | {"UseDbProxy": "true"},
    "Your own cache needs VpcId": OWN_CACHE | {"VpcId": ""},
    "RedisSecretArn is for your own cache": {"RedisSecretArn": f"{ACCOUNT}:cache-AbCdEf"},
}
"""Parameters that cannot work, by the beginning of their error message."""

ALL = [*SCENARIOS.values(), *IMPOSSIBLE.values()]
