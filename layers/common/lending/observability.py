"""The log and the metrics of the service: one logger, one set of metrics, nothing personal in either."""

from aws_lambda_powertools import Logger, Metrics

logger = Logger(service="lending")
metrics = Metrics(namespace="Lending", service="lending")
