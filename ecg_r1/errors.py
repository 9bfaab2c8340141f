"""What a user can mend: the command line prints these as one line, without a traceback."""


class UserError(ValueError):
    """Base of the named errors of every room; the message names the file, record or key and says what to do."""
