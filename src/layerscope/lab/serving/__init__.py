"""`layerscope lab`: the page over HTTP on this machine, with Python behind it for one's own network and training.

`app` answers requests, `guards` turns away what does not come from the page, `own` is the user's network, `live` runs
a training in a process of its own (`child`), `running` starts it all and ends it. Starlette and uvicorn come with
`pip install 'layerscope[lab]'`; without them the page is opened from its file, and only these things are missing.
"""
