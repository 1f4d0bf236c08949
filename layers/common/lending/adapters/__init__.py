"""The ports on real technology: MySQL, Redis and AWS, one file each."""
