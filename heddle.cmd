@echo off
rem Runs Heddle's command line: finds a Java 25 or newer, builds on first use and after a change of the sources.
rem
rem   heddle ARGUMENTS...      the command line; heddle --help tells more
rem   heddle jmh ARGUMENTS...  the benchmarks, with JMH's own arguments, e.g. heddle jmh -l
rem   heddle interleave CLASS  the same, method after method and round after round: see dev.heddle.bench.Interleaved
rem   heddle cold-start N      the first call in N fresh JVMs
rem   heddle bench-report      BENCHMARKS.md, of the results in benchmarks\
rem
rem   HEDDLE_JAVA       the home of a JDK; else JAVA_HOME, the PATH and the usual places are searched
rem   HEDDLE_JAVA_OPTS  more options for its java
setlocal EnableExtensions DisableDelayedExpansion
set "ROOT=%~dp0"
set "ROOT=%ROOT:~0,-1%"
set "TARGET=%ROOT%\target"

set "JDK="
if defined HEDDLE_JAVA goto forced
if defined JAVA_HOME call :try "%JAVA_HOME%"
for /f "delims=" %%j in ('where java 2^>nul') do call :try "%%~dpj.."
for %%p in (
    "%ProgramFiles%\Java" "%ProgramFiles%\Eclipse Adoptium" "%ProgramFiles%\Microsoft" "%ProgramFiles%\Amazon Corretto"
    "%ProgramFiles%\Zulu" "%ProgramFiles%\BellSoft" "%USERPROFILE%\.jdks" "%USERPROFILE%\.sdkman\candidates\java"
    "%USERPROFILE%\.gradle\jdks"
) do for /d %%d in ("%%~p\*") do call :try "%%~d"
if defined JDK goto found
echo heddle: needs Java 25 or newer, and found none in JAVA_HOME, on the PATH, in Program Files, .jdks and the like: install one, or set HEDDLE_JAVA to its home>&2
exit /b 1

:forced
call :try "%HEDDLE_JAVA%"
if defined JDK goto found
echo heddle: HEDDLE_JAVA="%HEDDLE_JAVA%" is not the home of a Java 25 or newer>&2
exit /b 1

:found
set FLAGS=--add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED %HEDDLE_JAVA_OPTS%
set "BENCHMARKS="
if /i "%~1"=="jmh" set "BENCHMARKS=org.openjdk.jmh.Main"
if /i "%~1"=="interleave" set "BENCHMARKS=dev.heddle.bench.Interleaved"
if /i "%~1"=="cold-start" set "BENCHMARKS=dev.heddle.bench.ColdStart"
if /i "%~1"=="bench-report" set "BENCHMARKS=dev.heddle.bench.Report"
if defined BENCHMARKS goto benchmarks
call :build "%TARGET%\heddle.stamp" "%ROOT%\src\main" -Dmaven.test.skip package || exit /b 1
"%JDK%\bin\java" %FLAGS% -cp "%TARGET%\heddle.jar;%TARGET%\lib\*" dev.heddle.cli.Main %*
exit /b %ERRORLEVEL%

:benchmarks
call :build "%TARGET%\jmh.stamp" "%ROOT%\src" -Pjmh -DskipTests package || exit /b 1
set REST=
:rest
shift
if "%~1"=="" goto run
set REST=%REST% %1
goto rest
:run
rem The class path is too long for a command line of Windows: it goes by a file of arguments.
powershell -NoProfile -Command "$t = $env:TARGET; $cp = $t + '\classes;' + $t + '\test-classes;' + (Get-Content -Raw ($t + '\jmh.classpath')).Trim(); [IO.File]::WriteAllText($t + '\jmh.args', '-cp ' + [char]34 + $cp.Replace('\', '\\') + [char]34)" || exit /b 1
"%JDK%\bin\java" %FLAGS% "@%TARGET%\jmh.args" %BENCHMARKS% %REST%
exit /b %ERRORLEVEL%

rem try HOME: takes that JDK if it is new enough, and none was taken before.
:try
if defined JDK exit /b 0
if not exist "%~1\bin\java.exe" exit /b 0
set "VERSION="
for /f "tokens=3" %%v in ('^""%~1\bin\java.exe" -version 2^>^&1 ^| findstr /c:" version "^"') do set "VERSION=%%~v"
for /f "tokens=1 delims=.-+" %%v in ("%VERSION%") do if %%v geq 25 set "JDK=%~f1"
exit /b 0

rem build STAMP SOURCES MAVEN-ARGUMENTS...: unless neither pom.xml nor a source has changed since the stamp was set.
:build
setlocal
set "STAMP=%~1"
set "SOURCES=%~2"
powershell -NoProfile -Command "$s = Get-Item -ErrorAction Ignore $env:STAMP; if (-not $s) { exit 1 }; if (Get-ChildItem -Recurse ($env:ROOT + '\pom.xml'), $env:SOURCES | Where-Object LastWriteTime -gt $s.LastWriteTime) { exit 1 }" && exit /b 0
where mvn >nul 2>nul || goto nomaven
echo heddle: building in "%ROOT%" (the first time this takes a minute) ...>&2
set "JAVA_HOME=%JDK%"
rem Set before the build: what changes while it runs counts as changed.
if not exist "%TARGET%" mkdir "%TARGET%"
type nul >"%STAMP%.new"
call mvn --batch-mode --quiet --file "%ROOT%\pom.xml" %3 %4 %5 1>&2 || goto failed
move /y "%STAMP%.new" "%STAMP%" >nul
exit /b 0
:nomaven
echo heddle: needs Maven (mvn) on the PATH to build itself>&2
exit /b 1
:failed
echo heddle: the build failed>&2
exit /b 1
