package main

import _ "time/tzdata" // time zones for a machine that has none of its own, such as an image made from scratch; the system's win where there are some
