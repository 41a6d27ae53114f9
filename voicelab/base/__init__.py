"""What every room stands on: errors, checks of arguments, chance, and the rows of a session log as data.

In comes nothing of voicelab's; out go a few small modules that any other may import.

- `errors`: everything that voicelab raises or warns with, drawn as a tree.
- `checks`: arguments at the door; each check returns the value as it is to be used, or says what is allowed.
- `printable`: text that any screen and any file can take.
- `paths`: paths that users give, at the door.
- `accepted_types`: what public arguments take where it is more than one class, by name.
- `without`: imports a library without what it can do without.
- `ctrl_c`: tells a person's Ctrl-C from a KeyboardInterrupt that code raises.
- `pace`: how long speech takes where there is no sound to measure.
- `session_limits`: how much one session may take.
- `seeds`: one stream of chance for each thing that chance decides in a session.
- `weighted`: choices by weight, and which of them a text calls for.
- `records`: the log's tables and columns, and the rows that a finished session hands over.
- `named_numbers`: the numbers that each session has by name, beside the outcomes that it wrote.
- `masking`: hides the values of variables, however a text has encoded them.
- `secret_names`: hides what goes by the name of a secret in traffic over HTTP.
- `template_documents`: documents of a project's templates, in YAML or JSON; what of them is for Helm alone.
- `plain_json`: any value as JSON, in the one way that rows hold it.
- `upper_rooms`: what a method of a lower room is the door of, by name.
- `notebook`: whether somebody looks at a notebook; `progress_line`: how far something is that takes a while.
- `html_page`: a card as a page of its own, in which no script runs.
- `version`: the version of the package.
"""
