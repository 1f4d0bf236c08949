"""The log and the metrics of the service: one logger, one set of metrics, nothing personal in either.

POWERTOOLS_SERVICE_NAME names the function in both, LOG_LEVEL sets what is logged.
"""

from aws_lambda_powertools import Logger, Metrics

logger = Logger()
metrics = Metrics(namespace="Lending")
