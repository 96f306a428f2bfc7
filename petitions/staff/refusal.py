"""The exception by which use cases tell staff and operators that something is not possible."""


class Refused(Exception):
    """The requested act is not possible, and nothing was done.

    The text, a sentence or two, says why and what to do instead. Screens show it
    (`admin.acting.show_refusals`) and commands exit with it. Without the permission,
    `PermissionDenied` is raised instead: see `staff.roles.require`.
    """
