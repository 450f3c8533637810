"""The lab's face: pages, the API, live events, and what operators look at.

How to add a page:

1. The question that it answers is a function of a room or of `lab/`, over a `Connection`, which gives a frozen
   dataclass. No SQL here.
2. In `web/NOUN.py` (a module for each noun of the navigation), with `routes = Routes()`:

       @routes.page("/things/{number}", template="thing.html", action="thing.read", project=project_of_thing)
       def show_thing(visit: AVisit, number: int) -> Thing: ...

   The function gives a plain model. From it come the page, its twin `/things/{number}.json`, and fragments: a request
   of htmx whose target is an element `id="steps"` gets only `{% block steps %}` of the template.
3. `action` is a row of `access/rights.py`; without one a route cannot be registered. `project` finds, by the path's
   values, the project in which it is asked for; a list has none, and keeps to `visit.projects(action)`. What only the
   function can know it asks for with `visit.require(action, project)`.
4. The template in `look/templates/` extends `frame.html`, has `{% block content %}`, and is made of the macros of
   `ui.html` (`ui.table`, `ui.state`, `ui.ago`, `ui.digest`, `ui.facts`, `ui.empty`, …). No inline style or script.
5. What a person changes is `@routes.form("/things/{number}/cancel", action=…)`: it does it, and gives the address to go
   to. Each form has `{{ ui.token(csrf) }}`; without it the form is refused.
6. Live: `<section {{ ui.live("run-12", address, "steps") }}>` is fetched again when a topic of `live/topics.py` moves.
7. The same for programs: `@routes.api("GET", "/things/{number}", …)` in `api/NOUN.py`, with `Routes("/api/v1")`; what
   makes something runs in `visit.once(…)`, which honours Idempotency-Key.
8. Put the modules into `app.py` and the noun into `look/navigation.py`. `tests/running_server.py` starts a real server
   for tests.
"""
