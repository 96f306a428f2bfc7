"""The error by which use cases say to staff, and commands to operators, what cannot be done."""


class Refused(Exception):
    """What was asked is not possible: the text, a sentence or two, says why and what to do instead.

    Nothing was done. Screens show the text (`admin.acting.show_refusals`); commands end with it.
    Who lacks the right gets `PermissionDenied` instead: see `staff.roles.require`.
    """
