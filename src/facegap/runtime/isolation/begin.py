"""The first lines of the process of a model, and of the fork server: the package, without what it loads for those who audit.

`import facegap` brings settings and commands with it, which takes as long as numpy does. The process of a model needs none of
them, so the package stands there as a name with a folder only.
"""

import os.path
import sys
import types

package = types.ModuleType("facegap")
package.__path__ = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]  # noqa: PTH100, PTH120
sys.modules["facegap"] = package

if __name__ == "__main__":
    if sys.argv[1] == "fork-server":
        from facegap.runtime.isolation.server import main
    else:
        from facegap.runtime.isolation.worker import main

    main(sys.argv[2])
