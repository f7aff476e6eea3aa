"""What happened, stage by stage, for people who ask why something does not work.

It is what the connection doctor of the pages shows a member live, and `sams activity explain` the help desk.

`gathering.stories` reads the journal, `words.told` says a stage in words, `verdicts.verdict` the whole story;
`stages.for_strangers` and `stages.for_member` cut it to what its reader may see.
"""
