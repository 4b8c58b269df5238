// Nothing: CMake compiles precompiled headers for a target with a source.
