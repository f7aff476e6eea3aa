"""`sams sendmail`: the command that cron and scripts know; it submits as a member of the service."""
