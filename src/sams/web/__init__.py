"""Pages: set-up by hand and by itself, the live connection doctor. A process of its own with no rights of its own.

Theory of operation. The supervisor has `starting` exec `process`, which becomes `[web] user`, reads a `Site` (all
that it ever knows of the configuration), and runs `application` under `serving` and `doors`. A request passes
`proxies` (who the visitor is), `headers` and `gate` (limits, foreign forms), and reaches a handler in `pages/`,
which answers by a template that `rendering` fills in, or by one of `setup_files/`. What is not in the `Site` is
asked of the service by `link`, over the control socket: four questions, answered by `service/pages_view.py`, which
cuts the answer to what the visitor may see. `watching` asks once for all who look at the same; `seen` makes of the
answer what they look at. What happened, and the words for it, come from `activity/explaining/`.
"""
