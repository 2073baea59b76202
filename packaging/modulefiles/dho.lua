-- An environment module (Lmod). Put it as MODULEPATH/dho/VERSION.lua and set the folder to which
-- "cmake --install build/release --prefix FOLDER" has installed.
help([[dho: distributed semi-supervised distillation from vision-language models
(Dual-Head Optimization). man dho; the pages are in share/doc/dho.]])
whatis("Name: dho")
whatis("Category: machine learning, MPI")

local prefix = "/opt/dho"

depends_on("openmpi")
prepend_path("PATH", pathJoin(prefix, "bin"))
prepend_path("MANPATH", pathJoin(prefix, "share/man"))
prepend_path("PKG_CONFIG_PATH", pathJoin(prefix, "lib/pkgconfig"))
prepend_path("CMAKE_PREFIX_PATH", prefix)
prepend_path("XDG_DATA_DIRS", pathJoin(prefix, "share"))
setenv("DHO_HOME", pathJoin(prefix, "share/dho")) -- launchers and job scripts
setenv("DHO", pathJoin(prefix, "bin/dho"))
