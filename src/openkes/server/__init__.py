"""The application: routes, guard, handlers, audit. Flask in `app`; the same handlers behind `hot`."""
