-- common.lua -- what page.lua and diff.lua share
local common = {}

function common.lines_of(text)
    local lines = {}
    for line in (text:gsub('\n*$', '') .. '\n'):gmatch('(.-)\n') do
        table.insert(lines, line)
    end
    return lines
end

function common.read(path)
    local stream = assert(io.open(path))
    local text = stream:read('*a')
    stream:close()
    return text or ''
end

function common.escape(text)
    return (text:gsub('[&<>"]', {['&'] = '&amp;', ['<'] = '&lt;',
                                 ['>'] = '&gt;', ['"'] = '&quot;'}))
end

function common.html(text)
    return pandoc.RawBlock('html', text)
end

-- Returns the line at which the first piece of a quoted block stands, or nil.
function common.find(quote, lines)
    local first = 1
    while quote[first] and quote[first]:match('^@@') or
        quote[first] == '...' do
        first = first + 1
    end
    for start = 1, #lines do
        local n = 0
        while quote[first + n] and quote[first + n] == lines[start + n] do
            n = n + 1
        end
        local rest = quote[first + n]
        if n > 0 and (rest == nil or rest:match('^%s*%.%.%.$') or
                      rest:match('^@@')) then
            return start
        end
    end
end

-- Returns the anchor, on its diff's page, of a quoted piece of a diff.
function common.hunk_id(name, code)
    return name .. '-' .. pandoc.utils.sha1(code.text):sub(1, 6)
end

return common
