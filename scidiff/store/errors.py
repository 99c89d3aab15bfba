"""The one exception that is meant for the user's eyes."""


class UserError(Exception):
    """Something the user can mend: one or two sentences naming the file, what was expected and what to do.

    The command line prints it without a traceback and exits with status 1.
    """
