// What every page of the panel does with a script: forms that stay where they are.
