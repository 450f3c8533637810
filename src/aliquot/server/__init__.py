"""The lab's face: pages, the API, live events, and what operators look at.

How to add a page:

1. The question that it answers is a function of a room or of `lab/`, over a `Connection`, which gives a frozen dataclass.
   No SQL here.
2. In `web/NOUN.py` (a module for each noun of the navigation), with `routes = Routes()`:

       @routes.page("/things/{number}", template="thing.html", action="thing.read", project=of_thing)
       def thing(visit: AVisit, number: int) -> Thing: ...

   The function gives a plain model. From it come the page, its twin `/things/{number}.json`, and fragments: a request of
   htmx whose target is an element `id="steps"` gets only `{% block steps %}` of the template.
3. `action` is a row of the table of rights; without one a route cannot be registered. `project` finds, by the path's
   values, the project in which it is asked for; a list instead keeps to `visit.projects(action)`.
4. The template in `web/templates/` extends `frame.html`, has `{% block content %}`, and is made of the macros in
   `ui.html` (`ui.table`, `ui.state`, `ui.time`, `ui.size`, `ui.digest`, `ui.facts`, `ui.empty`, …): no inline style or script.
5. What a person changes is `@routes.form("/things/{number}/cancel", action=…)`: it checks the form's token, does it, and
   redirects. Each form has `{{ ui.token(visit) }}`.
6. Live: `<section id="steps" {{ ui.live("run-12") }}>` is fetched again when the topic moves (`live/topics.py`).
7. The same for programs: `@routes.api("GET", "/things/{number}", …)` in `api/NOUN.py`; what makes something runs in
   `visit.once(…)`, which honours Idempotency-Key.
8. Put the modules into `app.py`, an example address into `tests/server_pages.py` (screenshots, axe, sizes and rights go over
   all of it), then look at `make screenshots`.
"""
