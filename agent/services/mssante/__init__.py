"""MSSanté: the professional's mailbox, opened with Pro Santé Connect by programs that know passwords alone."""
