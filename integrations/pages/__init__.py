"""What the pages of the connections show: each module gathers one page's figures and states, ready for its template."""
