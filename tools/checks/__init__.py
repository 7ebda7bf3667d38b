"""The checks behind tools/check_style and tools/check_layers.

Only the standard library, so that they run before anything is installed but
python3. Each check returns problems; the two programs print and count them.
"""
