"""The error by which use cases of staff say that something cannot be done now."""


class Refused(Exception):
    """An act of staff is not possible as asked: the text says why and what to do instead.

    Nothing was done. Screens show the text to who acted; commands end with it.
    """
