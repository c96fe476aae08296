"""Templates of plugins, and how they become files.

`common/` goes into every distribution, `job/`, `array/` and `function/` into those of a kind. Of a path,
`.template` is dropped, `dot-` becomes `.`, the folder `package` gets the package's name, and `suite` becomes
`tests`, which this project's own tools look into. In the text, `$name` and the other fields of `Names` are
replaced, and `$$` is a dollar.
"""
