"""The core: maps and their protocol, parameters as one vector, gradients as data.

Maps are described by ``map``, composed by ``compose`` and made of functions by ``lift``; ``spec``
has the shapes that flow between them and ``initializers`` how parameters start. ``theta`` lays all
parameters out in one vector, ``contraction`` declares their gradients, ``context`` and ``random``
hold what is not differentiated, ``registry`` and ``config`` turn descriptions into plain data.
Nothing here depends on another package of the library.
"""
