"""A lab on another machine, through its API: the same plain models that the lab's own functions give.

`client` speaks HTTP and turns problems back into the five families; `credentials` keeps tokens; a module for each noun
asks for its models; `api` is the lab from Python. Whoever shows a model need not know where it came from.
"""
