"""Entry point of the process of a model, and of the fork server: the package without the modules of an audit.

`import facegap` loads settings and commands, which takes as long as numpy. The process of a model needs neither, so a
package with only its path is registered here.
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
