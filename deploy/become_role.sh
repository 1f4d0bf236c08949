#!/bin/sh
# Lets the steps that follow become the role in AWS_ROLE_ARN: writes GitHub's token of this job where AWS's tools look.
# The tools exchange it for credentials by themselves, for as long as the token is fresh: a few minutes. So they are
# exchanged here, once, for as long as the job may last.
set -eu

token=$(curl --silent --fail --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com" | jq --exit-status --raw-output .value)
echo "::add-mask::$token"
aws sts assume-role-with-web-identity --role-arn "$AWS_ROLE_ARN" --role-session-name "run-$GITHUB_RUN_ID" \
    --web-identity-token "$token" --duration-seconds 7200 --output json --query Credentials |
    jq --raw-output '.AccessKeyId, .SecretAccessKey, .SessionToken' | {
    read -r key
    read -r secret
    read -r session
    printf '::add-mask::%s\n' "$secret" "$session"
    printf '%s\n' "AWS_ACCESS_KEY_ID=$key" "AWS_SECRET_ACCESS_KEY=$secret" "AWS_SESSION_TOKEN=$session" >>"$GITHUB_ENV"
}
