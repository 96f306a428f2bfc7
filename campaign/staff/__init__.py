"""The admin site and how staff log in to it.

Start with `site.StaffSite`. Every password is checked by `authentication.StaffBackend`, with the
lockout and the audit records of `petitions.staff.logins`. In production a second factor follows.
"""
