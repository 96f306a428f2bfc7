"""How staff get into the admin, and the site they find there.

Front door: `site.StaffSite`. Every password passes `authentication.StaffBackend`, and so the
lockout and the record of `petitions.staff.logins`; in production a second factor follows.
"""
