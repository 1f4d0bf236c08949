"""What the numbers mean that servers and proxies answer with: which failures pass, and what they leave behind.

Sources: MySQL 8.4 error reference; MariaDB error codes; Amazon RDS user guide, "Troubleshooting RDS Proxy"; ProxySQL
documentation, "Error codes".
"""

from pymysql.constants import CR, ER

DUPLICATE = ER.DUP_ENTRY  # 1062

CONNECTION_LOST = frozenset(
    {
        CR.CR_SERVER_GONE_ERROR,  # 2006
        CR.CR_SERVER_LOST,  # 2013
        ER.SERVER_SHUTDOWN,  # 1053
        1077,  # normal shutdown
        1079,  # shutdown complete
        1080,  # forcing close of a thread
        1152,  # aborted connection
        1158,  # error reading communication packets
        1159,  # time-out reading them
        1160,  # error writing them
        1161,  # time-out writing them
        1184,  # aborted new connection
        1927,  # MariaDB: the connection was killed
        4031,  # MySQL: disconnected for its inactivity
    }
)
"""The connection has ended, and with it whatever it had not committed."""

NOT_THE_WRITER = frozenset(
    {
        ER.OPTION_PREVENTS_STATEMENT,  # 1290: --read-only; a writer that a failover has demoted
        1792,  # a read-only transaction; behind a proxy, a reader
        1836,  # read-only mode
        1047,  # Galera: the node is not prepared for use; also an unknown command
        3032,  # offline mode
        3100,  # group replication: the plugin refuses in the hook before the commit
        3101,  # group replication: the plugin rolled the transaction back
    }
)
"""This server takes no writes just now; another may, and is asked at once."""

BUSY = frozenset(
    {
        CR.CR_CONN_HOST_ERROR,  # 2003
        1040,  # too many connections
        1041,  # out of memory
        1114,  # the table, or the disk, is full
        1129,  # this host is blocked after too many failed connections
        1135,  # no thread for another connection
        1203,  # too many connections of this user
        1226,  # a user's limit is reached
        ER.QUERY_INTERRUPTED,  # 1317
        1637,  # too many transactions at once
        1969,  # MariaDB's max_statement_time
        3024,  # MySQL's max_execution_time
        3168,  # the server is not available
        9001,  # ProxySQL: no server answered within its time
        9501,  # RDS Proxy: no connection to the database within its borrow time-out
        ER.ACCESS_DENIED_ERROR,  # 1045: a rotation under way, since the login was fetched afresh before this
        1698,  # the same, without a password
    }
)
"""The server has no room just now, or nobody gets through to it."""
